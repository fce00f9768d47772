import { emptyCounts, readManifest, type Manifest, type SplitCounts } from "./corpus.js";
import { withSplits } from "./reader.js";
import { tokenizeRow, type SegmentTokenizer } from "./segments.js";
import { TASK_TYPES, type Row, type Split, type TaskFormat, type TaskType } from "./tasks.js";

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
  /** Training rows of each kind, for the tasks whose rows have kinds; the most frequent first. */
  kinds: Partial<Record<TaskType, Record<string, number>>>;
  /** Token lengths of the training rows, when a tokenizer was given. */
  lengths?: Partial<Record<TaskType | "all", LengthSummary>>;
  /** The first row of each task. */
  examples: Partial<Record<TaskType, { prompt: string; completion: string }>>;
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
    const report: CorpusReport = { manifest, counts: countRows(splits), kinds: {}, examples: {} };
    const train = splits.get("train");
    if (train === undefined) return report;
    const lengths = new Map<TaskType | "all", Lengths>();
    let place = 0;
    for (const row of train) {
      const { task, fields, completion, kind } = row;
      if (kind !== undefined) {
        const own = (report.kinds[task] ??= {});
        own[kind] = (own[kind] ?? 0) + 1;
      }
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
    report.kinds = inOrder(report.kinds);
    for (const own of Object.values(report.kinds)) mostFirst(own);
    if (lengths.size > 0) {
      const summaries = Object.fromEntries([...lengths].map(([key, own]) => [key, summarise(own)]));
      report.lengths = { all: summaries["all"] as LengthSummary, ...inOrder(summaries) };
    }
    return report;
  });
}

/** Brings counts into order, the largest first. */
function mostFirst(counts: Record<string, number>): void {
  const sorted = Object.entries(counts).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  for (const [name] of sorted) delete counts[name];
  Object.assign(counts, Object.fromEntries(sorted));
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
