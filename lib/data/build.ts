/** Builds a corpus: draws candidates, lets the gates choose, and writes what passes, resumably. */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { DslEngine } from "../dsl/dsl.js";
import { IBertError } from "../errors.js";
import { sha256OfFile } from "../formats/hash.js";
import { withLock } from "../hub/lock.js";
import { readManifest, splitOfShape, type Manifest, type SplitCounts } from "./corpus.js";
import { batchingLabeller } from "./labeller.js";
import { PartialCorpus } from "./partial-corpus.js";
import type { Candidate, Draw, Labeller, RowSource } from "./source.js";
import { DUPLICATE, heldOutTables, placeWritten } from "./written.js";
import { DRAWN_SPLITS, SPLITS, TASK_TYPES, type DrawnSplit, type Split, type TaskType } from "./tasks.js";

export interface CorpusOptions {
  /** Folder of the corpus; its last part is the name. Written beside and renamed when complete. */
  directory: string;
  seed: number;
  /** Rows wanted, per split and task. */
  rows: SplitCounts;
}

export interface CorpusProgress {
  task: TaskType;
  /** Rows of the task, and of all tasks. */
  accepted: number;
  wanted: number;
  rows: number;
  rowsWanted: number;
  refused: number;
  /** Rows that an earlier build left. */
  resumed: number;
  /** Since this build began. */
  seconds: number;
}

export interface CorpusDependencies {
  engine: DslEngine;
  source: RowSource;
  /** Rows of human origin, which have passed the gates, to be held out. */
  human?: () => Promise<Draw[]>;
  /** Rows that were mined, by the hash of what they are, as the gates let them pass. */
  mined?: { sha256: string; draws: () => AsyncIterable<Draw> };
  /** Compiler processes: so many batches are on their way at a time (default 1). Changes no byte. */
  workers?: number;
  onProgress?: (progress: CorpusProgress) => void;
  signal?: AbortSignal;
}

/** Draws between two looks at what is still missing; also the size of one message to the engine. */
const BATCH = 64;
/** Draws for each row wanted before a task gives up: rare splits cost about ten draws a row. */
const MOST_DRAWS_PER_ROW = 30;

/** Held by whoever writes the corpus. */
export const lockOf = (directory: string): string => join(dirname(directory), `.${basename(directory)}.lock`);

/**
 * Builds the corpus, or finds the same one already built. The same settings give the same bytes, whatever the number of
 * workers and however often the build was ended on its way: it goes on where it was.
 * @throws IBertError `corpus-empty` when a split that was asked for has no row at all.
 */
export async function buildCorpus(
  options: CorpusOptions,
  dependencies: CorpusDependencies,
): Promise<{ manifest: Manifest; reused: boolean }> {
  const { directory } = options;
  return withLock(lockOf(directory), async () => {
    const dsl = await dependencies.engine.version();
    const settings: Manifest["settings"] = {
      seed: options.seed,
      source: dependencies.source.version,
      rows: options.rows,
      human: dependencies.human !== undefined,
      ...(dependencies.mined === undefined ? {} : { mined: dependencies.mined.sha256 }),
    };
    const found = await reusable(directory, dsl, settings);
    if (found !== undefined) return { manifest: found, reused: true };
    const partial = await PartialCorpus.open(directory, JSON.stringify({ settings, dsl }));
    try {
      await new Build(options, dependencies, partial).run();
      await requireRows(options, partial);
      const manifest = await partial.manifest(basename(directory), { settings, dsl });
      await partial.finish(directory, manifest);
      return { manifest, reused: false };
    } finally {
      partial.close();
    }
  });
}

/** The manifest, if the folder has a whole corpus of just these settings and every file is as it was written. */
async function reusable(
  directory: string,
  dsl: Manifest["dsl"],
  settings: Manifest["settings"],
): Promise<Manifest | undefined> {
  if (!existsSync(join(directory, "manifest.json"))) return undefined;
  let manifest: Manifest;
  try {
    manifest = readManifest(directory);
  } catch (error) {
    // One of another version of ibert is built again.
    if (error instanceof IBertError && error.code === "corpus-manifest") return undefined;
    throw error;
  }
  const same =
    JSON.stringify(manifest.settings) === JSON.stringify(settings) &&
    JSON.stringify(manifest.dsl) === JSON.stringify(dsl);
  if (!same) return undefined;
  for (const [file, { sha256: hash }] of Object.entries(manifest.files)) {
    const path = join(directory, file);
    if (!existsSync(path) || (await sha256OfFile(path)) !== hash) return undefined;
  }
  return manifest;
}

async function requireRows({ directory, rows }: CorpusOptions, partial: PartialCorpus): Promise<void> {
  for (const split of SPLITS) {
    const asked = TASK_TYPES.some((task) => rows[split][task] > 0);
    if (!asked || TASK_TYPES.some((task) => partial.counts[split][task] > 0)) continue;
    await partial.discard();
    throw new IBertError("corpus-empty", `${directory}: no row was found for the split ${split}`, {
      hint: "Ask for more rows, or for another profile.",
    });
  }
}

/** Task by task; of each first the splits of seen schemas, then that of unseen ones. */
class Build {
  private readonly label: Labeller;
  private began = performance.now();
  private readonly resumed: number;
  private readonly rowsWanted: number;

  constructor(
    private readonly options: CorpusOptions,
    private readonly dependencies: CorpusDependencies,
    private readonly partial: PartialCorpus,
  ) {
    this.label = batchingLabeller(dependencies.engine, BATCH);
    this.resumed = this.drawn();
    this.rowsWanted = TASK_TYPES.reduce((sum, task) => sum + this.wanted(task), 0);
  }

  async run(): Promise<void> {
    const { state } = this.partial;
    if (!state.human) {
      await this.human();
      // What the other rows take is told from theirs alone.
      this.began = performance.now();
    }
    for (let task = state.task; task < TASK_TYPES.length; task++) {
      const phases = task === state.task && state.heldOut ? [true] : [false, true];
      for (const heldOut of phases) {
        const next = task === state.task && heldOut === state.heldOut ? state.next : 0;
        await this.phase(task, heldOut, next);
      }
    }
    if (state.task <= TASK_TYPES.length) await this.mined();
  }

  /** Last of all, when it is known what the other splits hold out. Whole, or not at all: what is not saved is made anew. */
  private async mined(): Promise<void> {
    const { partial, dependencies } = this;
    const place = { task: TASK_TYPES.length, heldOut: false, next: 0, human: true };
    partial.save(place);
    const heldOut = await heldOutTables(partial);
    for await (const draw of dependencies.mined?.draws() ?? []) {
      dependencies.signal?.throwIfAborted();
      if ("refusal" in draw) {
        partial.refuse(draw.refusal);
        continue;
      }
      const { task, completion: text } = draw.candidate;
      const placed = placeWritten(partial, draw.candidate, heldOut);
      if (placed === DUPLICATE) partial.state.duplicates++;
      else if (typeof placed === "string") partial.refuse({ task, reason: placed, text });
    }
    partial.save({ ...place, task: TASK_TYPES.length + 1 });
  }

  /** First of all, so that what is drawn keeps off their shapes. */
  private async human(): Promise<void> {
    for (const draw of (await this.dependencies.human?.()) ?? []) {
      if ("refusal" in draw) this.partial.refuse(draw.refusal);
      else this.take("human", draw.candidate);
    }
    this.partial.save({ task: 0, heldOut: false, next: 0, human: true });
  }

  private wanted(task: TaskType): number {
    return DRAWN_SPLITS.reduce((sum, split) => sum + this.options.rows[split][task], 0);
  }

  /** Rows that are there of those that are wanted: of one task, or of all. */
  private drawn(tasks: readonly TaskType[] = TASK_TYPES): number {
    const { counts } = this.partial;
    return DRAWN_SPLITS.reduce(
      (sum, split) => sum + tasks.reduce((all, task) => all + counts[split][task], 0),
      0,
    );
  }

  /** Unseen-schema rows keep to trained shapes, so that each test asks one thing. */
  private async phase(number: number, heldOut: boolean, begin: number): Promise<void> {
    const { source, signal, onProgress, workers = 1 } = this.dependencies;
    const task = TASK_TYPES[number] as TaskType;
    const splits = DRAWN_SPLITS.filter((split) => (split === "test_schema") === heldOut);
    const missing = (): number =>
      splits.reduce(
        (sum, split) => sum + this.options.rows[split][task] - this.partial.counts[split][task],
        0,
      );
    const most = MOST_DRAWS_PER_ROW * splits.reduce((sum, split) => sum + this.options.rows[split][task], 0);
    const draw = (start: number): Promise<Draw[]> =>
      Promise.all(
        Array.from({ length: BATCH }, (_, i) =>
          source.draw(task, start + i, { heldOutSchema: heldOut, label: this.label }),
        ),
      );
    // Batches on their way, in order: what comes of each is decided only when all before it were.
    const waiting: Promise<Draw[]>[] = [];
    let start = begin;
    try {
      while (start < most && missing() > 0) {
        signal?.throwIfAborted();
        // A batch gives its size at most, so that near the end no more are drawn than may be needed.
        while (waiting.length < Math.min(workers + 1, Math.ceil(missing() / BATCH)) || waiting.length === 0) {
          waiting.push(draw(start + waiting.length * BATCH));
        }
        const draws = await (waiting.shift() as Promise<Draw[]>);
        start += BATCH;
        for (const one of draws) {
          if ("refusal" in one) this.partial.refuse(one.refusal);
          else this.place(task, one.candidate, heldOut);
        }
        this.partial.save({ task: number, heldOut, next: start, human: true });
        onProgress?.(this.progress(task));
      }
    } finally {
      await Promise.allSettled(waiting);
    }
  }

  private place(task: TaskType, candidate: Candidate, heldOut: boolean): void {
    const { partial } = this;
    const wanted = this.options.rows;
    const byShape = splitOfShape(candidate.shape);
    if (heldOut && byShape !== "train") return;
    const split: DrawnSplit = heldOut ? "test_schema" : byShape;
    if (partial.counts[split][task] >= wanted[split][task] || partial.isHuman(candidate.shape)) return;
    // A common shape may not make up more than a fifth of what a task is measured on.
    const most = Math.max(2, Math.ceil(wanted[split][task] / 5));
    if (split !== "train" && partial.ofShape({ split, task, shape: candidate.shape }) >= most) return;
    this.take(split, candidate);
  }

  private take(split: Split, { duplicateKey, ...row }: Candidate): void {
    const { partial } = this;
    if (partial.has(row.task, duplicateKey)) partial.state.duplicates++;
    else partial.add({ split, ...row }, duplicateKey);
  }

  private progress(task: TaskType): CorpusProgress {
    const { partial, resumed, rowsWanted } = this;
    return {
      task,
      accepted: this.drawn([task]),
      wanted: this.wanted(task),
      rows: this.drawn(),
      rowsWanted,
      refused: partial.state.refused,
      resumed,
      seconds: (performance.now() - this.began) / 1000,
    };
  }
}
