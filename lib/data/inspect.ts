import { existsSync } from "node:fs";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DslEngine } from "../dsl/dsl.js";
import { IBertError } from "../errors.js";
import { countRows, readManifest, splitFile, type Manifest, type SplitCounts } from "./corpus.js";
import { Random } from "./random.js";
import { readSplit } from "./reader.js";
import { tokenizeRow, type SegmentTokenizer } from "./segments.js";
import { SPLITS, TASK_TYPES, type Row, type Split, type TaskFormat, type TaskType } from "./tasks.js";

export interface LengthSummary {
  rows: number;
  mean: number;
  median: number;
  p95: number;
  max: number;
  /** Mean tokens that are learned: completion and end of sequence. */
  supervisedMean: number;
}

export interface CorpusReport {
  manifest: Manifest;
  counts: SplitCounts;
  /** Token lengths of the training rows, when a tokenizer was given. */
  lengths?: Partial<Record<TaskType | "all", LengthSummary>>;
  /** The first row of each task. */
  examples: Partial<Record<TaskType, { prompt: string; completion: string }>>;
}

async function allRows(directory: string, manifest: Manifest): Promise<Map<Split, Row[]>> {
  const rows = new Map<Split, Row[]>();
  for (const split of SPLITS) {
    const asked = (manifest.files[splitFile(split)]?.rows ?? 0) > 0;
    rows.set(split, asked ? await readSplit(directory, split) : []);
  }
  return rows;
}

function summarise(lengths: readonly { total: number; supervised: number }[]): LengthSummary {
  const totals = lengths.map(({ total }) => total).sort((a, b) => a - b);
  const at = (q: number): number => totals[Math.min(totals.length - 1, Math.floor(q * totals.length))] ?? 0;
  const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  return {
    rows: totals.length,
    mean: mean(totals),
    median: at(0.5),
    p95: at(0.95),
    max: totals.at(-1) ?? 0,
    supervisedMean: mean(lengths.map(({ supervised }) => supervised)),
  };
}

/** What a corpus holds. Throws what the reader throws. */
export async function inspectCorpus(
  directory: string,
  format: TaskFormat,
  tokenizer?: SegmentTokenizer,
): Promise<CorpusReport> {
  const manifest = await readManifest(directory);
  const rows = await allRows(directory, manifest);
  const train = rows.get("train") ?? [];
  const report: CorpusReport = { manifest, counts: countRows([...rows.values()].flat()), examples: {} };
  for (const task of TASK_TYPES) {
    const row = train.find((one) => one.task === task);
    if (row === undefined) continue;
    report.examples[task] = { prompt: format.prompt(task, row.fields), completion: row.completion };
  }
  if (tokenizer !== undefined && train.length > 0) {
    const lengths = train.map((row) => {
      const { ids, promptLength } = tokenizeRow(row, tokenizer, (task, fields) =>
        format.prompt(task, fields),
      );
      return { task: row.task, total: ids.length, supervised: ids.length - promptLength };
    });
    report.lengths = { all: summarise(lengths) };
    for (const task of TASK_TYPES) {
      const own = lengths.filter((length) => length.task === task);
      if (own.length > 0) report.lengths[task] = summarise(own);
    }
  }
  return report;
}

export interface CorpusCheck {
  /** Rows that went through the compiler again. */
  checked: number;
  /** What is wrong, each naming its file or row; empty for a sound corpus. */
  problems: string[];
}

/**
 * Holds a corpus against its manifest (hashes, counts, shapes and schemas kept apart) and sends a sample of its code
 * rows through the compiler again.
 */
export async function checkCorpus(
  directory: string,
  {
    engine,
    format,
    sample = 200,
    seed = 0,
  }: { engine: DslEngine; format: TaskFormat; sample?: number; seed?: number },
): Promise<CorpusCheck> {
  const manifest = await readManifest(directory);
  const problems: string[] = [];
  for (const [file, { sha256 }] of Object.entries(manifest.files)) {
    const path = join(directory, file);
    if (!existsSync(path)) {
      throw new IBertError("corpus_missing", `${path}: the manifest lists it but it is not there`, {
        hint: "Build the corpus again: npx ibert data build",
      });
    }
    const found = createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
    if (found !== sha256) problems.push(`${path}: its SHA-256 is not the manifest's`);
  }
  const bySplit = await allRows(directory, manifest);
  const rows = [...bySplit.values()].flat();
  if (JSON.stringify(countRows(rows)) !== JSON.stringify(manifest.counts)) {
    problems.push(`${directory}: the rows per split and task are not the manifest's`);
  }
  problems.push(...overlaps(bySplit));
  const sampled = Random.of(seed, "check").sample(rows, sample);
  const verdicts = await Promise.all(
    sampled.map(async (row) => {
      const code = format.assemble(row.task, row.fields, row.completion);
      if (code === undefined) return undefined;
      const options = { schema: row.schema };
      const verdict =
        code.language === "sql"
          ? await engine.checkSql(code.text, options)
          : await engine.check(code.text, options);
      if (!verdict.ok) problems.push(`row ${row.id}: ${verdict.error?.type}: ${verdict.error?.message}`);
      return verdict;
    }),
  );
  return { checked: verdicts.filter((verdict) => verdict !== undefined).length, problems };
}

/** Shapes of `valid` and `test`, and schemas of `test_schema`, that other splits have too. */
function overlaps(bySplit: ReadonlyMap<Split, Row[]>): string[] {
  const problems: string[] = [];
  const values = (split: Split, key: (row: Row) => string): Set<string> =>
    new Set((bySplit.get(split) ?? []).map(key));
  for (const [a, b] of [
    ["train", "valid"],
    ["train", "test"],
    ["valid", "test"],
  ] as const) {
    const other = values(b, (row) => row.shape);
    const shared = [...values(a, (row) => row.shape)].filter((shape) => other.has(shape));
    if (shared.length > 0)
      problems.push(`${shared.length} program shapes are in both ${a} and ${b}: ${shared[0]}`);
  }
  const trained = values("train", (row) => row.schemaId);
  const shared = [...values("test_schema", (row) => row.schemaId)].filter(
    (id) => id !== "none" && trained.has(id),
  );
  if (shared.length > 0)
    problems.push(`${shared.length} schemas are in both train and test_schema: ${shared[0]}`);
  return problems;
}
