/**
 * A round of rejection sampling (Yuan et al., 2023): an adapter answers training prompts several times, execution says which
 * answers are right, and those that go another way than the known answer become rows of a corpus beside the known ones.
 */
import { existsSync } from "node:fs";
import { copyFile, mkdir, open } from "node:fs/promises";
import { join } from "node:path";

import { splitFile } from "../data/corpus.js";
import { RowFile } from "../data/row-file.js";
import { SPLITS, TASK_TYPES, type Row, type TaskFormat, type TaskType } from "../data/tasks.js";
import { duckDbBinding } from "../dsl/duckdb/judge.js";
import { dslByName } from "../dsl/registry.js";
import type { DslEngine } from "../dsl/dsl.js";
import { IBertError } from "../errors.js";
import { EXECUTION_HINT } from "../evaluation/execution/judge.js";
import { evaluateSubjects } from "../evaluation/evaluate-model.js";
import { readScores } from "../evaluation/score-log.js";
import { replaceDirectoryAtomic } from "../formats/atomic.js";
import type { TrainingConfig } from "./config.js";

/** What became of the answers to one task's prompts. */
export interface RejectionCounts {
  sampled: number;
  /** That execution passed. */
  passed: number;
  /** That became rows: right, by a plan that neither the known answer nor another kept one has. */
  kept: number;
}

export type RejectionReport = Record<TaskType, RejectionCounts>;

interface RejectionOptions {
  onProgress?: (finished: number, total: number) => void;
  signal?: AbortSignal | undefined;
}

/** Folder of a run's answers and of the corpus that is made of them, beside its adapter. */
const rejectionFolder = (config: TrainingConfig): string => `${config.output.replace(/[\\/]+$/, "")}-rft`;

/**
 * Samples, and writes the corpus: the configuration's own rows, and those that were kept. Answers are written as they come, so
 * that a round that was ended goes on; the same settings give the same corpus.
 * @returns the configuration of the training on it, and the counts
 * @throws IBertError `config-invalid` where the configuration has no `rft`, `not-executed` without DuckDB, and those of `evaluateSubjects`
 */
export async function rejectionSample(
  config: TrainingConfig,
  { onProgress, signal }: RejectionOptions = {},
): Promise<{ config: TrainingConfig; report: RejectionReport }> {
  const { rft } = config;
  if (rft === undefined) {
    throw new IBertError("config-invalid", "rft: --method rft needs this section", {
      hint: "Name the adapter that answers: --set rft.adapter=adapters/quickstart",
    });
  }
  if (duckDbBinding() === undefined) {
    throw new IBertError("not-executed", "rft: which answers are right was not measured", {
      hint: EXECUTION_HINT,
    });
  }
  const folder = rejectionFolder(config);
  const scores = join(folder, "scores.jsonl");
  await mkdir(folder, { recursive: true });
  const weights = config.data.taskWeights;
  await evaluateSubjects(
    {
      base: config.base,
      corpus: config.corpus,
      split: "train",
      determined: true,
      rowsPerTask: Infinity,
      ...(rft.prompts === 0 ? {} : { limit: rft.prompts }),
      tasks: TASK_TYPES.filter((task) => weights[task] > 0),
      samples: rft.samples,
      temperature: rft.temperature,
      seed: config.seed,
      maxTokens: rft.maxTokens,
      sequences: config.evaluation.sequences,
      backend: config.backend,
      threads: config.threads,
      scores,
      signal,
      ...(onProgress === undefined ? {} : { onProgress }),
    },
    [{ adapter: rft.adapter }],
  );
  const dsl = dslByName(config.dsl);
  await using engine = dsl.createEngine();
  const corpus = join(folder, "corpus");
  const report = await writeCorpus({
    config,
    scores,
    corpus,
    engine,
    format: dsl.format(),
    most: rft.keepPerPrompt,
  });
  return { config: { ...config, corpus }, report };
}

export interface Writing {
  config: Pick<TrainingConfig, "corpus">;
  /** The file of the answers. */
  scores: string;
  /** Folder of the new corpus. */
  corpus: string;
  engine: DslEngine;
  format: TaskFormat;
  /** Rows of one prompt at most. */
  most: number;
}

/** Writes the corpus of one round: every known row, and behind them the answers that are kept. */
export async function writeCorpus(writing: Writing): Promise<RejectionReport> {
  const { config, scores, corpus, engine, format, most } = writing;
  const report = Object.fromEntries(
    TASK_TYPES.map((task) => [task, { sampled: 0, passed: 0, kept: 0 }]),
  ) as RejectionReport;
  const right = new Map<string, { answer: number; text: string }[]>();
  for await (const { answer, score } of readScores(scores)) {
    report[score.task].sampled++;
    if (score.execution?.equal !== true) continue;
    report[score.task].passed++;
    right.set(score.id, [...(right.get(score.id) ?? []), { answer, text: score.prediction }]);
  }
  const source = join(config.corpus, splitFile("train"));
  const rows = await RowFile.open(source);
  try {
    await replaceDirectoryAtomic(corpus, async (fresh) => {
      for (const split of SPLITS) {
        const file = splitFile(split);
        if (split !== "train" && existsSync(join(config.corpus, file))) {
          await copyFile(join(config.corpus, file), join(fresh, file));
        }
      }
      const train = await open(join(fresh, splitFile("train")), "w");
      try {
        for (const row of rows) await train.write(`${JSON.stringify(row)}\n`);
        for (const row of rows) {
          const own = (right.get(row.id) ?? []).sort((a, b) => a.answer - b.answer).map(({ text }) => text);
          for (const [i, completion] of (await otherWays(row, own, { engine, format, most })).entries()) {
            const kept: Row = {
              ...row,
              id: `${row.id}-rft-${i + 1}`,
              completion,
              source: "rejection sampling",
            };
            await train.write(`${JSON.stringify(kept)}\n`);
            report[row.task].kept++;
          }
        }
      } finally {
        await train.close();
      }
    });
  } finally {
    rows.close();
  }
  return report;
}

/** Of right answers those by other plans than the known one's and each other's, as a row teaches them. */
async function otherWays(
  row: Row,
  answers: readonly string[],
  { engine, format, most }: Pick<Writing, "engine" | "format" | "most">,
): Promise<string[]> {
  const planOf = async (text: string): Promise<string | undefined> => {
    const code = format.assemble(row.task, row.fields, text);
    if (code === undefined) return undefined;
    const { dialect } = row.fields;
    if (code.language === "dsl") return (await engine.label(code.text, { schema: row.schema })).planHash;
    const options = { schema: row.schema, ...(dialect === undefined ? {} : { dialect }) };
    return (await engine.checkSql(code.text, options)).canonical;
  };
  if (answers.length === 0) return [];
  const seen = new Set([await planOf(row.completion)]);
  const kept: string[] = [];
  for (const answer of new Set(answers)) {
    if (kept.length === most) break;
    const completion = format.completion(row.task, row.fields, answer);
    const teachable =
      completion.trim() !== "" && !format.stop(row.task).some((stop) => completion.includes(stop));
    const plan = await planOf(completion);
    if (plan === undefined || !teachable || seen.has(plan)) continue;
    seen.add(plan);
    kept.push(completion);
  }
  return kept;
}
