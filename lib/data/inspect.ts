import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DslEngine } from "../dsl/dsl.js";
import { IBertError } from "../errors.js";
import { sha256OfFile } from "../formats/hash.js";
import { emptyCounts, readManifest, splitFile, type Manifest, type SplitCounts } from "./corpus.js";
import { Random } from "./random.js";
import { openSplit } from "./reader.js";
import type { RowFile } from "./row-file.js";
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

/** Opens the splits that the manifest says have rows, and closes them again. */
async function withSplits<T>(
  directory: string,
  manifest: Manifest,
  work: (splits: ReadonlyMap<Split, RowFile>) => T | Promise<T>,
): Promise<T> {
  const splits = new Map<Split, RowFile>();
  try {
    for (const split of SPLITS) {
      if ((manifest.files[splitFile(split)]?.rows ?? 0) > 0)
        splits.set(split, await openSplit(directory, split));
    }
    return await work(splits);
  } finally {
    for (const rows of splits.values()) rows.close();
  }
}

/** Token lengths of rows, and how many of their tokens are learned. */
interface Lengths {
  totals: number[];
  supervised: number;
}

function summarise({ totals, supervised }: Lengths): LengthSummary {
  const sorted = Uint32Array.from(totals).sort();
  const at = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
  return {
    rows: sorted.length,
    mean: sorted.reduce((sum, length) => sum + length, 0) / sorted.length,
    median: at(0.5),
    p95: at(0.95),
    max: sorted.at(-1) ?? 0,
    supervisedMean: supervised / sorted.length,
  };
}

/** What a corpus holds. Throws what the reader throws. */
export async function inspectCorpus(
  directory: string,
  format: TaskFormat,
  tokenizer?: SegmentTokenizer,
): Promise<CorpusReport> {
  const manifest = readManifest(directory);
  return withSplits(directory, manifest, (splits) => {
    const report: CorpusReport = { manifest, counts: countRows(splits), examples: {} };
    const train = splits.get("train");
    if (train === undefined) return report;
    const lengths = new Map<TaskType | "all", Lengths>();
    let place = 0;
    for (const row of train) {
      const { task, fields, completion } = row;
      report.examples[task] ??= { prompt: format.prompt(task, fields), completion };
      if (tokenizer === undefined) continue;
      const where = train.where(place);
      const { ids, promptLength } = tokenizeRow(row, tokenizer, format, { row: place++, where });
      for (const key of ["all", task] as const) {
        const own = lengths.get(key) ?? { totals: [], supervised: 0 };
        own.totals.push(ids.length);
        own.supervised += ids.length - promptLength;
        lengths.set(key, own);
      }
    }
    report.examples = inOrder(report.examples);
    if (lengths.size > 0) {
      const summaries = Object.fromEntries([...lengths].map(([key, own]) => [key, summarise(own)]));
      report.lengths = { all: summaries["all"] as LengthSummary, ...inOrder(summaries) };
    }
    return report;
  });
}

/** What there is by task, in the order in which tables list the tasks. */
function inOrder<T>(byTask: Partial<Record<TaskType, T>>): Partial<Record<TaskType, T>> {
  return Object.fromEntries(
    TASK_TYPES.flatMap((task) => (byTask[task] === undefined ? [] : [[task, byTask[task]]])),
  );
}

function countRows(splits: ReadonlyMap<Split, Iterable<Row>>): SplitCounts {
  const counts = emptyCounts();
  for (const rows of splits.values()) for (const { split, task } of rows) counts[split][task]++;
  return counts;
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
  const manifest = readManifest(directory);
  const problems: string[] = [];
  for (const [file, { sha256 }] of Object.entries(manifest.files)) {
    const path = join(directory, file);
    if (!existsSync(path)) {
      throw new IBertError("corpus-missing", `${path}: the manifest lists it but it is not there`, {
        hint: "Build the corpus again: npx ibert data build",
      });
    }
    const found = await sha256OfFile(path);
    if (found !== sha256) problems.push(`${path}: its SHA-256 is not the manifest's`);
  }
  return withSplits(directory, manifest, async (splits) => {
    if (JSON.stringify(countRows(splits)) !== JSON.stringify(manifest.counts)) {
      problems.push(`${directory}: the rows per split and task are not the manifest's`);
    }
    problems.push(...overlaps(splits));
    const verdicts = await Promise.all(
      sampleRows(splits, sample, Random.of(seed, "check")).map(async (row) => {
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
  });
}

/** So many rows of all splits, in their order. */
function sampleRows(splits: ReadonlyMap<Split, RowFile>, count: number, random: Random): Row[] {
  const files = [...splits.values()];
  const total = files.reduce((sum, { length }) => sum + length, 0);
  return [...random.permutation(total).subarray(0, count).sort()].map((place) => {
    let row = place;
    for (const file of files) {
      if (row < file.length) return file.at(row);
      row -= file.length;
    }
    throw new RangeError(`there is no row ${place}`);
  });
}

/** Shapes of `valid` and `test`, and schemas of `test_schema`, that other splits have too. */
function overlaps(splits: ReadonlyMap<Split, Iterable<Row>>): string[] {
  const problems: string[] = [];
  const values = (split: Split, key: (row: Row) => string): Set<string> => {
    const found = new Set<string>();
    for (const row of splits.get(split) ?? []) found.add(key(row));
    return found;
  };
  const shapes = new Map(SPLITS.map((split) => [split, values(split, (row) => row.shape)]));
  for (const [a, b] of [
    ["train", "valid"],
    ["train", "test"],
    ["valid", "test"],
  ] as const) {
    const shared = [...(shapes.get(a) ?? [])].filter((shape) => shapes.get(b)?.has(shape));
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
