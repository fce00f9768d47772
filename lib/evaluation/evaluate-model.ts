/** A model against the held-out rows of a corpus. */
import { readManifest } from "../data/corpus.js";
import { openSplit } from "../data/reader.js";
import type { Split } from "../data/tasks.js";
import { dslByName } from "../dsl/registry.js";
import { InferenceEngine } from "../generation/engine.js";
import { loadAdapter } from "../models/adapter-file.js";
import { ModelSession } from "../models/session.js";
import { evaluateByGeneration } from "./evaluate.js";
import { ExecutionJudge } from "./execution/judge.js";
import { rowsPerTask, type EvaluationResult } from "./metrics.js";

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
  /** Answers generated at a time (default 16). */
  sequences?: number;
  backend?: string;
  threads?: number;
  onProgress?: (finished: number, total: number) => void;
  signal?: AbortSignal;
}

/** Positions that one evaluated text may take. */
const CONTEXT = 768;

/**
 * Lets a model answer held-out rows, and compiler and execution judge the answers.
 * @throws IBertError when base, adapter, corpus or backend are not to be had
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationResult> {
  const { base, corpus, split = "test", sequences = 16 } = options;
  const manifest = readManifest(corpus);
  const file = await openSplit(corpus, split);
  const rows = rowsPerTask(file, options.rowsPerTask ?? 40);
  file.close();
  // The session's end frees what lies on its device, the adapter and the caches too.
  await using session = await ModelSession.open({
    base,
    backend: options.backend ?? "auto",
    threads: options.threads ?? 0,
    tokenizer: true,
  });
  const loaded =
    options.adapter === undefined
      ? undefined
      : await loadAdapter(session.device, session.config, options.adapter);
  const dsl = dslByName((loaded?.sidecar?.dsl ?? manifest.dsl).name.replace(/-framework$/, ""));
  await using engine = dsl.createEngine();
  await using judge = ExecutionJudge.open(engine);
  const inference = new InferenceEngine(session, loaded?.adapter, {
    activations: "bf16",
    maxRows: 512,
    maxSequences: sequences,
    maxPositions: sequences * CONTEXT,
  });
  return await evaluateByGeneration({
    rows,
    inference,
    tokenizer: session.tokenizer,
    stopIds: session.stopIds,
    format: dsl.format(loaded?.sidecar?.prompts),
    engine,
    judge,
    maxTokens: options.maxTokens ?? 96,
    signal: options.signal,
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
  });
}
