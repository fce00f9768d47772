import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import type { DslEngine } from "../dsl/dsl.js";
import { IBertError } from "../errors.js";
import { sha256OfFile } from "../formats/hash.js";
import { readJson } from "../formats/json.js";
import { batchingLabeller } from "./labeller.js";
import { hash32 } from "./random.js";
import type { Candidate, Refusal, RowSource } from "./source.js";
import { SPLITS, TASK_TYPES, type Row, type Split, type TaskType } from "./tasks.js";

const countsShape = z.record(z.enum(SPLITS), z.record(z.enum(TASK_TYPES), z.number().int().nonnegative()));

const settingsShape = z.strictObject({
  seed: z.number().int(),
  /** Version of the row source, with its profile. */
  source: z.string(),
  rows: countsShape,
});

export const manifestShape = z.strictObject({
  format: z.literal(1),
  name: z.string(),
  dsl: z.strictObject({ name: z.string(), version: z.string() }),
  settings: settingsShape,
  /** Rows found, per split and task; fewer than asked for where the source ran dry. */
  counts: countsShape,
  /** Different program shapes per split. */
  shapes: z.record(z.enum(SPLITS), z.number()),
  refused: z.number(),
  duplicates: z.number(),
  files: z.record(z.string(), z.strictObject({ sha256: z.string(), bytes: z.number(), rows: z.number() })),
});
export type Manifest = z.infer<typeof manifestShape>;
export type SplitCounts = Record<Split, Record<TaskType, number>>;

export interface CorpusOptions {
  /** Folder of the corpus; its last part is the name. Written beside and renamed when complete. */
  directory: string;
  seed: number;
  /** Rows wanted, per split and task. */
  rows: SplitCounts;
}

export interface CorpusProgress {
  task: TaskType;
  accepted: number;
  wanted: number;
  refused: number;
}

export interface CorpusDependencies {
  engine: DslEngine;
  source: RowSource;
  onProgress?: (progress: CorpusProgress) => void;
  signal?: AbortSignal;
}

/** Draws between two looks at what is still missing; also the size of one message to the engine. */
const BATCH = 64;
/** Draws for each row wanted before a task gives up: rare splits cost about ten draws a row. */
const MOST_DRAWS_PER_ROW = 30;

/** Spreads `train` rows over the tasks by weight and gives each other split the same number of every task. */
export function splitCounts(
  totals: { train: number; evaluation: Record<Exclude<Split, "train">, number> },
  weights: Partial<Record<TaskType, number>>,
): SplitCounts {
  const tasks = TASK_TYPES.filter((task) => (weights[task] ?? 0) > 0);
  const sum = tasks.reduce((total, task) => total + (weights[task] ?? 0), 0);
  const counts = (per: (task: TaskType) => number): Record<TaskType, number> =>
    Object.fromEntries(TASK_TYPES.map((task) => [task, tasks.includes(task) ? per(task) : 0])) as Record<
      TaskType,
      number
    >;
  return {
    train: counts((task) => Math.round((totals.train * (weights[task] ?? 0)) / sum)),
    valid: counts(() => totals.evaluation.valid),
    test: counts(() => totals.evaluation.test),
    test_schema: counts(() => totals.evaluation.test_schema),
  };
}

/** Program shapes fall into one split for every task and every seed. */
export function splitOfShape(shape: string): Exclude<Split, "test_schema"> {
  const bucket = hash32(shape) % 100;
  return bucket < 76 ? "train" : bucket < 86 ? "valid" : "test";
}

interface TaskResult {
  rows: Row[];
  refusals: Refusal[];
  duplicates: number;
}

/** All splits' rows of one task. Unseen-schema rows keep to trained shapes, so that each test asks one thing. */
async function buildTask(
  task: TaskType,
  options: CorpusOptions,
  dependencies: CorpusDependencies,
): Promise<TaskResult> {
  const { source, engine, onProgress, signal } = dependencies;
  const label = batchingLabeller(engine, BATCH);
  const wanted = SPLITS.reduce((sum, split) => sum + options.rows[split][task], 0);
  const result: TaskResult = { rows: [], refusals: [], duplicates: 0 };
  const missing = Object.fromEntries(SPLITS.map((split) => [split, options.rows[split][task]])) as Record<
    Split,
    number
  >;
  const seen = new Set<string>();
  // A common shape may not make up more than a fifth of what a task is measured on.
  const perShape = new Map<string, number>();

  const place = (candidate: Candidate, heldOutSchema: boolean): void => {
    const byShape = splitOfShape(candidate.shape);
    if (heldOutSchema && byShape !== "train") return;
    const split: Split = heldOutSchema ? "test_schema" : byShape;
    if (missing[split] === 0) return;
    const share = `${split} ${candidate.shape}`;
    const ofShape = (perShape.get(share) ?? 0) + 1;
    if (split !== "train" && ofShape > Math.max(2, Math.ceil(options.rows[split][task] / 5))) return;
    const { duplicateKey, ...row } = candidate;
    if (seen.has(duplicateKey)) {
      result.duplicates++;
      return;
    }
    seen.add(duplicateKey);
    perShape.set(share, ofShape);
    missing[split]--;
    const number = String(options.rows[split][task] - missing[split]).padStart(5, "0");
    result.rows.push({ id: `${split}-${task}-${number}`, split, ...row });
  };

  for (const heldOutSchema of [false, true]) {
    const splits = SPLITS.filter((split) => (split === "test_schema") === heldOutSchema);
    const most = MOST_DRAWS_PER_ROW * splits.reduce((sum, split) => sum + missing[split], 0);
    for (let start = 0; start < most && splits.some((split) => missing[split] > 0); start += BATCH) {
      signal?.throwIfAborted();
      const draws = await Promise.all(
        Array.from({ length: BATCH }, (_, i) => source.draw(task, start + i, { heldOutSchema, label })),
      );
      for (const draw of draws) {
        if ("refusal" in draw) result.refusals.push(draw.refusal);
        else place(draw.candidate, heldOutSchema);
      }
      onProgress?.({ task, accepted: result.rows.length, wanted, refused: result.refusals.length });
    }
  }
  return result;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** File of a split inside a corpus folder. */
export const splitFile = (split: Split): string => `${split}.jsonl`;

/** The manifest, if the folder has a whole corpus of just these settings and every file is as it was written. */
async function reusable(
  options: CorpusOptions,
  dsl: Manifest["dsl"],
  source: string,
): Promise<Manifest | undefined> {
  if (!existsSync(join(options.directory, "manifest.json"))) return undefined;
  const manifest = readManifest(options.directory);
  const settings: Manifest["settings"] = { seed: options.seed, source, rows: options.rows };
  const same =
    JSON.stringify(manifest.settings) === JSON.stringify(settings) &&
    JSON.stringify(manifest.dsl) === JSON.stringify(dsl);
  if (!same) return undefined;
  for (const [file, { sha256: hash }] of Object.entries(manifest.files)) {
    const path = join(options.directory, file);
    if (!existsSync(path) || (await sha256OfFile(path)) !== hash) return undefined;
  }
  return manifest;
}

/**
 * Builds the corpus, or finds the same one already built. The same settings give the same bytes.
 * @throws IBertError `corpus-empty` when a split that was asked for has no row at all.
 */
export async function buildCorpus(
  options: CorpusOptions,
  dependencies: CorpusDependencies,
): Promise<{ manifest: Manifest; reused: boolean }> {
  const dsl = await dependencies.engine.version();
  const found = await reusable(options, dsl, dependencies.source.version);
  if (found !== undefined) return { manifest: found, reused: true };

  const results = new Map<TaskType, TaskResult>();
  for (const task of TASK_TYPES) {
    const wanted = SPLITS.some((split) => options.rows[split][task] > 0);
    if (wanted) results.set(task, await buildTask(task, options, dependencies));
  }
  const rows = [...results.values()].flatMap((result) => result.rows);
  const refusals = [...results.values()].flatMap((result) => result.refusals);
  const of = (split: Split): Row[] => rows.filter((row) => row.split === split);
  const texts: Record<string, string> = { "rejects.jsonl": toLines(refusals) };
  for (const split of SPLITS) {
    const asked = TASK_TYPES.some((task) => options.rows[split][task] > 0);
    if (asked && of(split).length === 0) {
      throw new IBertError("corpus-empty", `${options.directory}: no row was found for the split ${split}`, {
        hint: "Ask for more rows, or for the other profile.",
      });
    }
    texts[splitFile(split)] = toLines(of(split));
  }
  const manifest: Manifest = {
    format: 1,
    name: basename(options.directory),
    dsl,
    settings: { seed: options.seed, source: dependencies.source.version, rows: options.rows },
    counts: countRows(rows),
    shapes: Object.fromEntries(
      SPLITS.map((split) => [split, new Set(of(split).map((row) => row.shape)).size]),
    ) as Manifest["shapes"],
    refused: refusals.length,
    duplicates: [...results.values()].reduce((sum, result) => sum + result.duplicates, 0),
    files: Object.fromEntries(
      Object.entries(texts).map(([file, text]) => [
        file,
        { sha256: sha256(text), bytes: Buffer.byteLength(text), rows: text.split("\n").length - 1 },
      ]),
    ),
  };
  await writeFolder(options.directory, {
    ...texts,
    "manifest.json": `${JSON.stringify(manifest, null, 2)}\n`,
  });
  return { manifest, reused: false };
}

const toLines = (items: readonly object[]): string =>
  items.map((item) => `${JSON.stringify(item)}\n`).join("");

export function emptyCounts(): SplitCounts {
  return Object.fromEntries(
    SPLITS.map((split) => [split, Object.fromEntries(TASK_TYPES.map((task) => [task, 0]))]),
  ) as SplitCounts;
}

function countRows(rows: readonly Row[]): SplitCounts {
  const counts = emptyCounts();
  for (const { split, task } of rows) counts[split][task]++;
  return counts;
}

/** All files or none: a folder beside, then one rename. */
async function writeFolder(directory: string, files: Record<string, string>): Promise<void> {
  const beside = join(dirname(directory), `.${basename(directory)}.${process.pid}.partial`);
  await rm(beside, { recursive: true, force: true });
  await mkdir(beside, { recursive: true });
  try {
    for (const [file, text] of Object.entries(files)) await writeFile(join(beside, file), text);
    await rm(directory, { recursive: true, force: true });
    await rename(beside, directory);
  } catch (cause) {
    await rm(beside, { recursive: true, force: true });
    throw new IBertError("corpus-write", `${directory}: the corpus could not be written`, { cause });
  }
}

/** @throws IBertError `corpus-missing`, `corpus-manifest`, and those of `readText` */
export function readManifest(directory: string): Manifest {
  const path = join(directory, "manifest.json");
  let value: unknown;
  try {
    value = readJson(path);
  } catch (cause) {
    if (!(cause instanceof IBertError) || cause.code !== "file-missing") throw cause;
    throw new IBertError("corpus-missing", `${path}: no corpus is there`, {
      hint: "Build one: npx ibert data build",
      cause,
    });
  }
  const parsed = manifestShape.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const key = issue?.path.join(".");
  throw new IBertError(
    "corpus-manifest",
    `${path}: not a corpus manifest: ${key ? `${key}: ` : ""}${issue?.message ?? ""}`,
    { hint: "Build the corpus again: npx ibert data build" },
  );
}
