/** What a finished run leaves behind beside its adapter: `report/run.json`. */
import { existsSync } from "node:fs";
import { arch, cpus, platform, totalmem } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

import { TASK_TYPES, type TaskType } from "../../data/tasks.js";
import { dslByName } from "../../dsl/registry.js";
import type { EvaluationResult, RowScore, TaskMetrics } from "../../evaluation/metrics.js";
import { sha256OfFile } from "../../formats/hash.js";
import { readJson } from "../../formats/json.js";
import { Device } from "../../runtime/device.js";
import type { DeviceInfo } from "../../runtime/native.js";
import type { StepRecord } from "../checkpoint.js";
import { TrainingConfig } from "../config.js";
import { contentsOf, type ContentOptions, type RunContents } from "../contents.js";
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
  format: 3;
  config: TrainingConfig;
  /** The run's id. */
  run: string;
  /** SHA-256 of all that the run was made of. */
  contents: RunContents;
  /** SHA-256 of the adapter's weights. */
  adapterSha256: string;
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

const adapterFile = (config: TrainingConfig): string => join(config.output, "adapter_model.safetensors");

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
    format: 3,
    config,
    run: result.run,
    contents: result.contents,
    adapterSha256: await sha256OfFile(adapterFile(config)),
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
    examples: chooseExamples(config, result),
  };
}

/** Of each task the first rows whose answers the training changed, then others. */
function chooseExamples(config: TrainingConfig, { before, after, measured }: TrainResult): Example[] {
  if (after === undefined) return [];
  const rows = new Map(measured.map((row) => [row.id, row]));
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

/** The record beside an adapter, when it is of just this configuration and these contents; else undefined. */
export async function findSameRun(
  config: TrainingConfig,
  options: ContentOptions = {},
): Promise<RunRecord | undefined> {
  const path = join(reportFolder(config.output), "run.json");
  if (!existsSync(path) || !existsSync(adapterFile(config))) return undefined;
  const record = readJson(path) as RunRecord;
  if (record.format !== 3) return undefined;
  const recorded = TrainingConfig.safeParse(record.config);
  if (!recorded.success || !isDeepStrictEqual(recorded.data, config)) return undefined;
  if (record.adapterSha256 !== (await sha256OfFile(adapterFile(config)))) return undefined;
  const { tokens, ...contents } = record.contents;
  return isDeepStrictEqual(contents, await contentsOf(config, options)) ? record : undefined;
}
