/** Evaluation by generation: the engine that users get answers held-out rows, and the compiler judges the answers. */
import type { SegmentTokenizer } from "../data/segments.js";
import type { Row, Rows, TaskFormat } from "../data/tasks.js";
import type { DslEngine } from "../dsl/dsl.js";
import type { ModelConfig } from "../models/config.js";
import type { Tokenizer } from "../models/tokenizer.js";
import { answerAll, type AnswerRun } from "./answers.js";
import { passRates } from "./breakdown.js";
import type { ExecutionJudge } from "./execution/judge.js";
import { scoreRow, summariseByTask, type EvaluationResult, type RowScore } from "./metrics.js";

/** Where scores are kept as they come, and found again. */
export interface ScoreLog {
  /** The score of an answer that an earlier sitting made. */
  known(answer: number): RowScore | undefined;
  add(answer: number, score: RowScore): void;
}

export interface GenerativeEvaluation extends AnswerRun {
  rows: Rows;
  format: TaskFormat;
  engine: DslEngine;
  /** Executes the answers; without it that is not measured. */
  judge?: ExecutionJudge | undefined;
  /** What stands before a row's prompt, such as examples. */
  prefix?: ((row: Row) => string) | undefined;
  /** Answers to each row (default 1), which differ where they are drawn with a temperature. */
  samples?: number | undefined;
  /** With it the result's scores are without texts, which the log has, so that their number costs little memory. */
  log?: ScoreLog | undefined;
  onProgress?: (finished: number, total: number) => void;
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

/** A score without its texts. */
function withoutTexts({ error: _, notExecuted, ...score }: RowScore): RowScore {
  const { execution } = score;
  const lean: RowScore = { ...score, prediction: "" };
  if (notExecuted !== undefined) lean.notExecuted = "";
  if (execution !== undefined) {
    const { reason: __, ...numbers } = execution;
    lean.execution = numbers;
  }
  return lean;
}

/** Answers all rows, some at a time, and scores each. */
export async function evaluateByGeneration(run: GenerativeEvaluation): Promise<EvaluationResult> {
  const { rows, format, engine, log, samples = 1, prefix = () => "" } = run;
  const total = rows.length * samples;
  const scores = new Array<RowScore>(total);
  const rowOf = (answer: number): Row => rows.at(Math.floor(answer / samples)) as Row;
  let finished = 0;
  const keep = (answer: number, score: RowScore): void => {
    scores[answer] = log === undefined ? score : withoutTexts(score);
    run.onProgress?.(++finished, total);
  };
  await answerAll(
    run,
    total,
    (answer) => {
      const known = log?.known(answer);
      if (known !== undefined) return void keep(answer, known);
      const row = rowOf(answer);
      return { text: prefix(row) + format.prompt(row.task, row.fields), stops: format.stop(row.task) };
    },
    async (answer, text) => {
      const score = await scoreRow(rowOf(answer), text, engine, format, run.judge);
      log?.add(answer, score);
      keep(answer, score);
    },
  );
  const result = summariseByTask(scores.filter((_, i) => i % samples === 0));
  return samples === 1 ? result : { ...result, passAt: passRates(scores, samples) };
}
