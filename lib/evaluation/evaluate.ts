/** Evaluation by generation: the engine that users get answers held-out rows, and the compiler judges the answers. */
import type { SegmentTokenizer } from "../data/segments.js";
import { cutAtStop, type Row, type TaskFormat } from "../data/tasks.js";
import type { DslEngine } from "../dsl/dsl.js";
import type { SamplingOptions } from "../generation/batcher.js";
import type { InferenceEngine } from "../generation/engine.js";
import { generate } from "../generation/generate.js";
import type { ModelConfig } from "../models/config.js";
import type { Tokenizer } from "../models/tokenizer.js";
import { scoreRow, summariseByTask, type EvaluationResult, type RowScore } from "./metrics.js";

export interface GenerativeEvaluation {
  rows: readonly Row[];
  inference: InferenceEngine;
  tokenizer: Tokenizer;
  /** Ids at which an answer ends, as a session has them. */
  stopIds: readonly number[];
  format: TaskFormat;
  engine: DslEngine;
  maxTokens: number;
  sampling?: Pick<SamplingOptions, "temperature" | "topP" | "topK" | "seed">;
  onProgress?: (finished: number, total: number) => void;
  signal?: AbortSignal | undefined;
}

/** User and corpus text as ids: it can never become a special token. */
export function segmentTokenizer(
  tokenizer: Tokenizer,
  model?: Pick<ModelConfig, "vocabSize">,
): SegmentTokenizer {
  return {
    encode: (text) => tokenizer.encode(text, { allowSpecial: false }),
    eosId: tokenizer.eosId,
    textOf: (id) => tokenizer.decode([id]),
    ...(model === undefined ? {} : { rows: model.vocabSize }),
    ...(tokenizer.addBos && tokenizer.bosId !== null ? { bosId: tokenizer.bosId } : {}),
  };
}

/** Ids of a prompt as training lays it out. */
export function promptIds(tokenizer: Tokenizer, prompt: string): number[] {
  const ids = tokenizer.encode(prompt, { allowSpecial: false });
  return tokenizer.addBos && tokenizer.bosId !== null ? [tokenizer.bosId, ...ids] : ids;
}

/** Ends a text as soon as it holds one of the stop texts. Looks at the tail only. */
export function stopWatcher(
  tokenizer: Tokenizer,
  stops: readonly string[],
): (ids: readonly number[]) => boolean {
  if (stops.length === 0) return () => false;
  // A stop text of n characters spans at most n tokens.
  const window = Math.max(...stops.map((stop) => stop.length)) + 1;
  return (ids) => {
    const tail = tokenizer.decode(ids.slice(-window));
    return stops.some((stop) => tail.includes(stop));
  };
}

/** Answers all rows in batches, and scores each. */
export async function evaluateByGeneration(run: GenerativeEvaluation): Promise<EvaluationResult> {
  const { rows, tokenizer, format, engine } = run;
  const stops = rows.map((row) => format.stop(row.task));
  const watchers = stops.map((texts) => stopWatcher(tokenizer, texts));
  let finished = 0;
  const completions = await generate(
    run.inference,
    rows.map((row) => promptIds(tokenizer, format.prompt(row.task, row.fields))),
    {
      ...run.sampling,
      maxTokens: run.maxTokens,
      stopIds: run.stopIds,
      onToken: (index, _, ids) => watchers[index]?.(ids) === true,
      onFinish: () => run.onProgress?.(++finished, rows.length),
      signal: run.signal,
    },
  );
  const scores = completions.map(({ ids }, i): Promise<RowScore> => {
    const text = cutAtStop(tokenizer.decode(ids), stops[i] ?? []);
    return scoreRow(rows[i] as Row, text, engine, format);
  });
  return summariseByTask(await Promise.all(scores));
}
