/** A model against the held-out rows of a corpus. */
import { readManifest } from "../data/corpus.js";
import { openSplit } from "../data/reader.js";
import type { Row, Split, TaskFormat, TaskType } from "../data/tasks.js";
import { dslByName } from "../dsl/registry.js";
import { InferenceEngine } from "../generation/engine.js";
import { loadAdapter, type LoadedAdapter } from "../models/adapter-file.js";
import { ModelSession } from "../models/session.js";
import { evaluateByGeneration } from "./evaluate.js";
import { ExecutionJudge } from "./execution/judge.js";
import { rowsPerTask, type EvaluationResult } from "./metrics.js";

/** What is measured, and how. */
export interface EvaluateOptions {
  /** A preset, `hf:owner/name`, a folder or a .gguf file. */
  base: string;
  /** A PEFT folder; without it the base model answers. */
  adapter?: string;
  /** Folder of a corpus. */
  corpus: string;
  /** Default `test`: program shapes that no training row has. */
  split?: Exclude<Split, "train">;
  /** Rows of each task (default 40). */
  rowsPerTask?: number;
  /** Length of an answer in tokens (default 96). */
  maxTokens?: number;
  /** Training rows of the task that stand before each prompt with their answers, as examples (default 0). */
  shots?: number;
  /** Answers to each row (default 1), for pass@k. */
  samples?: number;
  /** Of the drawing of answers (default 0: the likeliest). */
  temperature?: number;
  /** Answers generated at a time (default 16). */
  sequences?: number;
  backend?: string;
  threads?: number;
  onProgress?: (finished: number, total: number) => void;
  signal?: AbortSignal;
}

/** Who is measured: the base model alone, or with an adapter. */
export type Subject = Pick<EvaluateOptions, "adapter" | "shots">;

/** Positions that one evaluated text may take, and each of its examples. */
const CONTEXT = 768;
const EXAMPLE = 256;

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
  const [result] = await evaluateSubjects(options, [options]);
  return result as EvaluationResult;
}

/** As `evaluate`, for several subjects on one base and the same rows, one after the other. */
export async function evaluateSubjects(
  options: Omit<EvaluateOptions, keyof Subject>,
  subjects: readonly Subject[],
): Promise<EvaluationResult[]> {
  const { base, corpus, split = "test" } = options;
  const manifest = readManifest(corpus);
  const file = await openSplit(corpus, split);
  const rows = rowsPerTask(file, options.rowsPerTask ?? 40);
  file.close();
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
  const dsl = dslByName(named.name.replace(/-framework$/, ""));
  await using engine = dsl.createEngine();
  await using judge = ExecutionJudge.open(engine);
  const { sequences = 16, temperature = 0 } = options;
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
        sampling: { temperature },
        maxTokens: options.maxTokens ?? 96,
        signal: options.signal,
        ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
      });
      results.push(result);
    } finally {
      inference.dispose();
    }
  }
  return results;
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
