/** A model against the held-out rows of a corpus. */
import { existsSync } from "node:fs";
import { join } from "node:path";

import { openSplit } from "../data/reader.js";
import { readManifest, splitFile, type Manifest } from "../data/corpus.js";
import type { Row, Rows, Split, TaskFormat, TaskType } from "../data/tasks.js";
import { IBertError } from "../errors.js";
import { duckDbBinding } from "../dsl/duckdb/judge.js";
import { dslOfPackage } from "../dsl/registry.js";
import { InferenceEngine } from "../generation/engine.js";
import { currentDirectory } from "../formats/atomic.js";
import { sha256OfFile, sha256OfText } from "../formats/hash.js";
import { loadAdapter, type LoadedAdapter } from "../models/adapter-file.js";
import { baseContents, type BaseContents } from "../models/base-contents.js";
import { ModelSession } from "../models/session.js";
import { resolveSource } from "../models/sources.js";
import { openWeights } from "../models/weights.js";
import { evaluateByGeneration } from "./evaluate.js";
import { ExecutionJudge } from "./execution/judge.js";
import { ChosenRows, rowsPerTask, type EvaluationResult } from "./metrics.js";
import { WorstFailures, type Failure } from "./report/summary.js";
import { readScores, ScoreFile } from "./score-log.js";

/** What is measured, and how. */
export interface EvaluateOptions {
  /** A preset, `hf:owner/name`, a folder or a .gguf file. */
  base: string;
  /** A PEFT folder; without it the base model answers. */
  adapter?: string;
  /** Folder of a corpus. */
  corpus: string;
  /** Default `test`: program shapes that no training row has. */
  split?: Split;
  /** Rows of each task (default 40, with `limit` no bound). */
  rowsPerTask?: number | undefined;
  /** Only rows whose prompt determines what the answer gives. */
  determined?: boolean | undefined;
  /** Of the drawing (default 0). */
  seed?: number | undefined;
  /** Rows in all, shared out among the tasks. */
  limit?: number | undefined;
  /** Default: all. */
  tasks?: readonly TaskType[] | undefined;
  /** Length of an answer in tokens (default 96). */
  maxTokens?: number;
  /** Training rows of the task that stand before each prompt with their answers, as examples (default 0). */
  shots?: number;
  /** Answers to each row (default 1), for pass@k. */
  samples?: number;
  /** Of the drawing of answers (default 0: the likeliest; of several 0.8). */
  temperature?: number | undefined;
  /** A file that keeps scores as they come: what it has already is not asked again, and the result has no texts. */
  scores?: string | undefined;
  /** Answers generated at a time (default 16). */
  sequences?: number;
  backend?: string;
  threads?: number;
  onProgress?: (finished: number, total: number) => void;
  signal?: AbortSignal | undefined;
}

/** Who is measured: the base model alone, or with an adapter. */
export type Subject = Pick<EvaluateOptions, "adapter" | "shots">;

/** Positions that one evaluated text may take, and each of its examples. */
const CONTEXT = 768;
const EXAMPLE = 256;

/** Of the drawing of several answers, where none is named. */
const SAMPLING_TEMPERATURE = 0.8;

/** Wrong answers of each task that a report shows. */
const FAILURES_PER_TASK = 5;

/**
 * Lets a model answer held-out rows, and compiler and execution judge the answers.
 * @example
 * ```ts
 * import { evaluate } from "ibert";
 *
 * const { all, tasks } = await evaluate({
 *   base: "smollm2-135m",
 *   adapter: "adapters/quickstart",
 *   corpus: "data/corpus/quickstart",
 *   rowsPerTask: 20,
 * });
 * console.log(all.execution?.accuracy, all.execution?.interval, tasks.sql_to_ibis?.rates.compile);
 * ```
 * @throws IBertError when base, adapter, corpus or backend are not to be had
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationResult> {
  const { results } = await evaluateSubjects(options, [options]);
  return results[0] as EvaluationResult;
}

export interface SubjectResults {
  /** In the order of the subjects. */
  results: EvaluationResult[];
  /** The worst answers of the subject `failuresOf`, where there is a file of scores. */
  failures: Failure[];
  /** What decided the numbers. */
  settings: Record<string, unknown>;
}

/** As `evaluate`, for several subjects on one base and the same rows, one after the other. */
export async function evaluateSubjects(
  options: Omit<EvaluateOptions, keyof Subject>,
  subjects: readonly Subject[],
  failuresOf = subjects.length - 1,
): Promise<SubjectResults> {
  const { corpus, split = "test" } = options;
  const manifest = readManifest(corpus);
  const file = await openSplit(corpus, split);
  let scores: ScoreFile | undefined;
  try {
    const { limit, tasks } = options;
    const perTask = options.rowsPerTask ?? (limit === undefined ? 40 : Infinity);
    const format = dslOfPackage(manifest.dsl.name).format();
    const wanted = options.determined === true ? (row: Row) => format.determined(row) : undefined;
    const rows = ChosenRows.of(file, { perTask, limit, tasks, wanted });
    if (rows.length === 0) throw nothingChosen(join(corpus, splitFile(split)), tasks);
    const settings = await settingsOf(options, subjects, { rows: file.sha256, perTask, manifest });
    if (options.scores !== undefined) scores = await ScoreFile.open(options.scores, settings);
    const results = await measure(options, subjects, { rows, scores, manifest, failuresOf });
    return { ...results, settings };
  } finally {
    scores?.close();
    file.close();
  }
}

const nothingChosen = (path: string, tasks: readonly TaskType[] | undefined): IBertError =>
  new IBertError("corpus-empty", `${path} holds no row of ${tasks?.join(", ") ?? "any task"}`, {
    hint: "`ibert data inspect` shows which tasks a corpus has rows of.",
  });

/** @throws IBertError `argument-invalid` where several answers could not differ */
function samplingOf({
  samples = 1,
  temperature,
  seed = 0,
}: Pick<EvaluateOptions, "samples" | "temperature" | "seed">) {
  if (samples > 1 && temperature === 0) {
    throw new IBertError("argument-invalid", `${samples} answers at the temperature 0 are one and the same`, {
      hint: `Leave the temperature out (${SAMPLING_TEMPERATURE}), or raise it.`,
    });
  }
  return { temperature: temperature ?? (samples > 1 ? SAMPLING_TEMPERATURE : 0), seed };
}

/** Of an adapter's weights, of how they are applied, and of how it is asked. */
async function adapterSha256(adapter: string): Promise<string> {
  const folder = await currentDirectory(adapter);
  const files = ["adapter_model.safetensors", "adapter_config.json", "ibert.json"].map((name) =>
    join(folder, name),
  );
  const hashes = files.map(async (path) => (existsSync(path) ? await sha256OfFile(path) : "absent"));
  return sha256OfText((await Promise.all(hashes)).join("\n"));
}

/** What decides the numbers of an evaluation: rows and adapters by their contents, and where it may be resumed the base too. */
async function settingsOf(
  options: Omit<EvaluateOptions, keyof Subject>,
  subjects: readonly Subject[],
  { rows, perTask, manifest }: { rows: string; perTask: number; manifest: Manifest },
): Promise<Record<string, unknown>> {
  const { base, corpus, split = "test", limit, tasks, maxTokens = 96, samples = 1 } = options;
  const shown = subjects.some(({ shots = 0 }) => shots > 0);
  const measured = await Promise.all(
    subjects.map(async ({ adapter, shots }) => ({
      ...(adapter === undefined ? {} : { adapter, sha256: await adapterSha256(adapter) }),
      ...(shots === undefined ? {} : { shots }),
    })),
  );
  return {
    base,
    ...(options.scores === undefined ? {} : await contentsOfBase(base)),
    corpus,
    dsl: manifest.dsl,
    split,
    rows,
    ...(shown ? { examples: await sha256OfFile(join(corpus, splitFile("train"))) } : {}),
    ...(Number.isFinite(perTask) ? { rowsPerTask: perTask } : {}),
    ...(limit === undefined ? {} : { limit }),
    ...(tasks === undefined ? {} : { tasks }),
    maxTokens,
    samples,
    ...samplingOf(options),
    ...(options.determined === true ? { determined: true } : {}),
    executed: duckDbBinding() !== undefined,
    subjects: measured,
  };
}

async function contentsOfBase(base: string): Promise<BaseContents> {
  const source = await resolveSource(base);
  return baseContents({ source, model: openWeights(source) });
}

interface Material {
  rows: Rows;
  scores: ScoreFile | undefined;
  manifest: Manifest;
  failuresOf: number;
}

async function measure(
  options: Omit<EvaluateOptions, keyof Subject>,
  subjects: readonly Subject[],
  { rows, scores, manifest, failuresOf }: Material,
): Promise<Omit<SubjectResults, "settings">> {
  const { base, corpus } = options;
  const most = Math.max(...subjects.map(({ shots = 0 }) => shots));
  const examples = await exampleRows(corpus, most);
  // The session's end frees what lies on its device, the adapters and the caches too.
  await using session = await ModelSession.open({
    base,
    backend: options.backend ?? "auto",
    threads: options.threads ?? 0,
    tokenizer: true,
  });
  const loaded: (LoadedAdapter | undefined)[] = [];
  for (const { adapter } of subjects) {
    loaded.push(
      adapter === undefined ? undefined : await loadAdapter(session.device, session.config, adapter),
    );
  }
  const named = loaded.find((one) => one?.sidecar?.dsl !== undefined)?.sidecar?.dsl ?? manifest.dsl;
  const dsl = dslOfPackage(named.name);
  await using engine = dsl.createEngine();
  await using judge = ExecutionJudge.open(engine);
  const { sequences = 16 } = options;
  const results: EvaluationResult[] = [];
  for (const [i, { shots = 0 }] of subjects.entries()) {
    const format = dsl.format(loaded[i]?.sidecar?.prompts);
    const inference = new InferenceEngine(session, loaded[i]?.adapter, {
      activations: "bf16",
      maxRows: 512,
      maxSequences: sequences,
      maxPositions: sequences * (CONTEXT + shots * EXAMPLE),
    });
    try {
      const result = await evaluateByGeneration({
        rows,
        inference,
        tokenizer: session.tokenizer,
        stopIds: session.stopIds,
        format,
        engine,
        judge,
        prefix: ({ task }) => examplesOf(examples.get(task)?.slice(0, shots) ?? [], format),
        samples: options.samples,
        sampling: samplingOf(options),
        maxTokens: options.maxTokens ?? 96,
        log: scores?.of(String(i)),
        signal: options.signal,
        ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
      });
      results.push(result);
    } finally {
      inference.dispose();
    }
  }
  return {
    results,
    failures: await worstOf(scores, rows, String(failuresOf), options.samples ?? 1, dsl.format()),
  };
}

async function worstOf(
  scores: ScoreFile | undefined,
  rows: Rows,
  subject: string,
  samples: number,
  format: TaskFormat,
): Promise<Failure[]> {
  const worst = new WorstFailures(FAILURES_PER_TASK);
  if (scores === undefined) return [];
  for await (const { subject: own, answer, score } of readScores(scores.path)) {
    if (own === subject && answer % samples === 0) worst.look(score, () => rows.at(answer / samples), format);
  }
  return worst.all;
}

/** The first training rows of each task, where any are asked for. */
async function exampleRows(corpus: string, shots: number): Promise<Map<TaskType, Row[]>> {
  const found = new Map<TaskType, Row[]>();
  if (shots === 0) return found;
  const file = await openSplit(corpus, "train");
  try {
    for (const row of rowsPerTask(file, shots)) found.set(row.task, [...(found.get(row.task) ?? []), row]);
  } finally {
    file.close();
  }
  return found;
}

const examplesOf = (rows: readonly Row[], format: TaskFormat): string =>
  rows
    .map(
      ({ task, fields, completion }) =>
        `${format.prompt(task, fields)}${format.completion(task, fields, completion)}\n\n`,
    )
    .join("");
