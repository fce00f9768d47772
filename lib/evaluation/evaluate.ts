/** Evaluation by generation: the engine that users get answers held-out rows, and the compiler judges the answers. */
import type { SegmentTokenizer } from "../data/segments.js";
import type { Row, TaskFormat } from "../data/tasks.js";
import type { DslEngine } from "../dsl/dsl.js";
import { AnswerText } from "../generation/answer-text.js";
import type { SamplingOptions } from "../generation/batcher.js";
import type { InferenceEngine } from "../generation/engine.js";
import { generate } from "../generation/generate.js";
import type { ModelConfig } from "../models/config.js";
import type { Tokenizer } from "../models/tokenizer.js";
import type { ExecutionJudge } from "./execution/judge.js";
import { passRates } from "./breakdown.js";
import { scoreRow, summariseByTask, type EvaluationResult } from "./metrics.js";

export interface GenerativeEvaluation {
  rows: readonly Row[];
  inference: InferenceEngine;
  tokenizer: Tokenizer;
  /** Ids at which an answer ends, as a session has them. */
  stopIds: readonly number[];
  format: TaskFormat;
  engine: DslEngine;
  /** Executes the answers; without it that is not measured. */
  judge?: ExecutionJudge | undefined;
  /** What stands before a row's prompt, such as examples. */
  prefix?: ((row: Row) => string) | undefined;
  /** Answers to each row (default 1), which differ where they are drawn with a temperature. */
  samples?: number | undefined;
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

/** Answers all rows in batches, and scores each. */
export async function evaluateByGeneration(run: GenerativeEvaluation): Promise<EvaluationResult> {
  const { tokenizer, format, engine, samples = 1, prefix = () => "" } = run;
  const rows = run.rows.flatMap((row) => Array.from({ length: samples }, () => row));
  const answers = rows.map((row) => new AnswerText(tokenizer, format.stop(row.task)));
  let finished = 0;
  await generate(
    run.inference,
    rows.map((row) => promptIds(tokenizer, prefix(row) + format.prompt(row.task, row.fields))),
    {
      ...run.sampling,
      maxTokens: run.maxTokens,
      stopIds: run.stopIds,
      onToken: (index, id) => answers[index]?.push(id) === true,
      onFinish: () => run.onProgress?.(++finished, rows.length),
      signal: run.signal,
    },
  );
  const scores = await Promise.all(
    answers.map((answer, i) => scoreRow(rows[i] as Row, answer.end(), engine, format, run.judge)),
  );
  const result = summariseByTask(scores.filter((_, i) => i % samples === 0));
  return samples === 1 ? result : { ...result, passAt: passRates(scores, samples) };
}
