/** What a finished run leaves behind beside its adapter: `report/run.json`. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { arch, cpus, platform, totalmem } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

import { splitFile } from "../../data/corpus.js";
import { readSplit } from "../../data/reader.js";
import { TASK_TYPES, type TaskType } from "../../data/tasks.js";
import { dslByName } from "../../dsl/registry.js";
import type { EvaluationResult, RowScore, TaskMetrics } from "../../evaluation/metrics.js";
import { readJson } from "../../formats/json.js";
import { Device } from "../../runtime/device.js";
import type { DeviceInfo } from "../../runtime/native.js";
import type { StepRecord } from "../checkpoint.js";
import { TrainingConfig } from "../config.js";
import type { TrainingPlan } from "../plan.js";
import type { TrainResult } from "../train.js";

/** One measurement of the run. */
export interface Measurement {
  when: "before" | "during" | "after";
  step: number;
  tasks: EvaluationResult["tasks"];
  all: TaskMetrics;
}

/** One held-out row with its answers. */
export interface Example {
  task: TaskType;
  id: string;
  prompt: string;
  expected: string;
  before?: RowScore;
  after: RowScore;
}

export interface RunRecord {
  format: 1;
  config: TrainingConfig;
  /** SHA-256 of the corpus's training and measured rows. */
  corpusSha256: string;
  machine: { system: string; processor: string; cores: number; memoryBytes: number; node: string };
  device: DeviceInfo;
  trainingSeconds: number;
  plan: TrainingPlan;
  shares: TrainResult["shares"];
  steps: StepRecord[];
  measurements: Measurement[];
  examples: Example[];
}

/** Folder of the report inside an adapter's folder. */
export const reportFolder = (adapter: string): string => join(adapter, "report");

const EXAMPLES_PER_TASK = 3;

/** Of the rows that the run learns from and is measured on. */
function corpusSha256({ corpus, evaluation }: TrainingConfig): string {
  const hash = createHash("sha256");
  for (const split of ["train", evaluation.split] as const) {
    const path = join(corpus, splitFile(split));
    if (existsSync(path)) hash.update(readFileSync(path));
  }
  return hash.digest("hex");
}

/** Puts together what a finished run was. `during` are the measurements on the way. */
export async function recordRun(
  config: TrainingConfig,
  result: TrainResult,
  during: readonly Measurement[],
): Promise<RunRecord> {
  const measure = (
    when: Measurement["when"],
    step: number,
    found: EvaluationResult | undefined,
  ): Measurement[] => (found === undefined ? [] : [{ when, step, tasks: found.tasks, all: found.all }]);
  await using device = Device.open(config.backend, { threads: config.threads, planned: true });
  return {
    format: 1,
    config,
    corpusSha256: corpusSha256(config),
    machine: {
      system: `${platform()} ${arch()}`,
      processor: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryBytes: totalmem(),
      node: process.versions.node,
    },
    device: device.info,
    // Over all steps: those of a run that was resumed too.
    trainingSeconds: result.records.reduce((sum, step) => sum + step.tokens / step.tokensPerSecond, 0),
    plan: result.plan,
    shares: result.shares,
    steps: result.records,
    measurements: [
      ...measure("before", 0, result.before),
      ...during,
      ...measure("after", result.steps, result.after),
    ],
    examples: await chooseExamples(config, result),
  };
}

/** Of each task the first rows whose answers the training changed, then others. */
async function chooseExamples(config: TrainingConfig, { before, after }: TrainResult): Promise<Example[]> {
  if (after === undefined) return [];
  const rows = new Map((await readSplit(config.corpus, config.evaluation.split)).map((row) => [row.id, row]));
  const earlier = new Map(before?.scores.map((score) => [score.id, score]));
  const format = dslByName(config.dsl).format();
  return TASK_TYPES.flatMap((task) => {
    const own = after.scores.filter((score) => score.task === task);
    const changed = (score: RowScore): number =>
      earlier.get(score.id)?.prediction === score.prediction ? 1 : 0;
    return [...own]
      .sort((a, b) => changed(a) - changed(b))
      .slice(0, EXAMPLES_PER_TASK)
      .flatMap((score): Example[] => {
        const row = rows.get(score.id);
        if (row === undefined) return [];
        const first = earlier.get(score.id);
        return [
          {
            task,
            id: row.id,
            prompt: format.prompt(row.task, row.fields),
            expected: row.completion,
            ...(first === undefined ? {} : { before: first }),
            after: score,
          },
        ];
      });
  });
}

/** The record beside an adapter, when it is of just this configuration and corpus; else undefined. */
export function findSameRun(config: TrainingConfig): RunRecord | undefined {
  const path = join(reportFolder(config.output), "run.json");
  if (!existsSync(path) || !existsSync(join(config.output, "adapter_model.safetensors"))) return undefined;
  const record = readJson(path) as RunRecord;
  if (record.format !== 1 || record.corpusSha256 !== corpusSha256(config)) return undefined;
  const recorded = TrainingConfig.safeParse(record.config);
  return recorded.success && isDeepStrictEqual(recorded.data, config) ? record : undefined;
}
