/** The folder of a corpus: one file of rows a split, and a manifest that says what they are. */
import { join } from "node:path";
import { z } from "zod";
import { IBertError } from "../errors.js";
import { readJson } from "../formats/json.js";
import { hash32, hash53 } from "./random.js";
import { SPLITS, TASK_TYPES, type DrawnSplit, type Split, type TaskType } from "./tasks.js";

const countsShape = z.record(z.enum(SPLITS), z.record(z.enum(TASK_TYPES), z.number().int().nonnegative()));

const settingsShape = z.strictObject({
  seed: z.number().int(),
  /** Version of the row source, with its profile. */
  source: z.string(),
  rows: countsShape,
  /** Whether rows of human origin are held out beside those. */
  human: z.boolean(),
  /** SHA-256 of the mined rows that are in. */
  mined: z.string().exactOptional(),
});

/** File of the candidates that were refused, with their reasons. */
export const REJECTS = "rejects.jsonl";

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
  /** Files of rows that were added to what was built, in their order. */
  added: z.array(z.strictObject({ file: z.string(), sha256: z.string(), rows: z.number() })).exactOptional(),
  files: z.record(z.string(), z.strictObject({ sha256: z.string(), bytes: z.number(), rows: z.number() })),
});
export type Manifest = z.infer<typeof manifestShape>;
export type SplitCounts = Record<Split, Record<TaskType, number>>;

/** Spreads `train` rows over the tasks by weight and gives each other split the same number of every task. */
export function splitCounts(
  totals: { train: number; evaluation: Record<Exclude<DrawnSplit, "train">, number> },
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
    human: counts(() => 0),
  };
}

/** Where a corpus of a configuration lies unless it is told otherwise. */
export const corpusFolder = (name: string): string => join("data", "corpus", name);

/** Of a table of a schema: its name and the names of its columns, by which a table of a held-out schema is known. */
export const tableHash = ([table, columns]: [string, Record<string, string>]): number =>
  hash53(JSON.stringify([table, Object.keys(columns).sort()]));

/** Program shapes fall into one split for every task and every seed. */
export function splitOfShape(shape: string): Exclude<DrawnSplit, "test_schema"> {
  const bucket = hash32(shape) % 100;
  return bucket < 76 ? "train" : bucket < 86 ? "valid" : "test";
}

/** File of a split inside a corpus folder. */
export const splitFile = (split: Split): string => `${split}.jsonl`;

export function emptyCounts(): SplitCounts {
  return Object.fromEntries(
    SPLITS.map((split) => [split, Object.fromEntries(TASK_TYPES.map((task) => [task, 0]))]),
  ) as SplitCounts;
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
