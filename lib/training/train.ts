/** A training run from its configuration to the saved adapter. */
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

import { DataLoader, type TaskShare } from "../data/loader.js";
import { RowFile } from "../data/row-file.js";
import type { Row, TaskType } from "../data/tasks.js";
import type { Dsl } from "../dsl/definition.js";
import type { DslEngine } from "../dsl/dsl.js";
import { dslByName } from "../dsl/registry.js";
import { evaluateByGeneration, segmentTokenizer } from "../evaluation/evaluate.js";
import { ExecutionJudge } from "../evaluation/execution/judge.js";
import { rowsPerTask, type EvaluationResult, type TaskMetrics } from "../evaluation/metrics.js";
import { saveAdapter } from "../models/adapter-file.js";
import type { ModelSession } from "../models/session.js";
import type { Tokenizer } from "../models/tokenizer.js";
import {
  findCheckpoint,
  listRuns,
  newRunId,
  readCheckpoint,
  saveCheckpoint,
  type StepRecord,
  type TrainerState,
} from "./checkpoint.js";
import type { TrainingConfig } from "./config.js";
import {
  contentsOf,
  corpusFiles,
  requireSameContents,
  requireSameSettings,
  type RunContents,
} from "./contents.js";
import { slowly, type TrainingEvents } from "./events.js";
import { openInference, openSession, planRun, requireRoom, trainable } from "./parts.js";
import type { Budget, TrainingPlan } from "./plan.js";
import { curriculumShare, learningRate } from "./schedule.js";
import type { TrainStep } from "./train-step.js";

/** What a run is given beside its configuration. */
export interface TrainOptions {
  events?: TrainingEvents;
  /** Ends the run after the step in hand, with a checkpoint. */
  signal?: AbortSignal;
  /** A checkpoint, or the folder of a run's checkpoints. */
  resume?: string;
  /** An engine to share; without it the run starts its own and closes it. */
  engine?: DslEngine;
}

/** What a run leaves. */
export interface TrainResult {
  /** The run's id, which it keeps when it is resumed. */
  run: string;
  /** SHA-256 of all that it was made of. */
  contents: RunContents;
  /** `interrupted`: the checkpoint holds the run; the adapter is not written. */
  status: "complete" | "interrupted";
  steps: number;
  adapter?: string;
  checkpoint?: string;
  records: StepRecord[];
  before: EvaluationResult | undefined;
  after: EvaluationResult | undefined;
  /** The held-out rows of the last whole measurement. */
  measured: readonly Row[];
  /** Rows and tokens that each task really had. */
  shares: Record<TaskType, TaskShare>;
  plan: TrainingPlan;
  /** Seconds in optimizer steps alone. */
  trainingSeconds: number;
}

/** Where a run keeps its checkpoints. */
export const checkpointRoot = (config: TrainingConfig): string =>
  join(config.output, "..", `.${nameOf(config)}-checkpoints`);
const nameOf = (config: TrainingConfig): string =>
  config.output.split(/[\\/]/).filter(Boolean).at(-1) ?? "adapter";

/** What a run needs of every memory, and what there is. */
export interface PlannedTraining {
  plan: TrainingPlan;
  budgets: Budget[];
  rows: number;
  /** @throws IBertError `memory` with the numbers and settings that fit, when the run does not */
  requireMemory(): Promise<void>;
}

/**
 * Plans memory of the run at its highest point, without loading weights.
 * @example
 * ```ts
 * import { planTraining, readTrainingConfig } from "ibert";
 *
 * const planned = await planTraining(readTrainingConfig("quickstart"));
 * for (const { memory, needed, available } of planned.budgets) console.log(memory, needed, available);
 * await planned.requireMemory();
 * ```
 * @param options.device the architecture to plan for ("sm_90"), which need not be in this machine
 */
export async function planTraining(
  config: TrainingConfig,
  options: Pick<TrainOptions, "events"> & { device?: string | undefined } = {},
): Promise<PlannedTraining> {
  return withRows(config, options.events, async (rows) => {
    const preparation = await prepareRun(config, rows, options.events, options.device);
    const { plan, budgets } = preparation;
    return {
      plan,
      budgets,
      rows: rows.train.length,
      requireMemory: () => requireRoom(config, preparation, options.device),
    };
  });
}

/** A run's open files of rows. */
interface RunRows {
  train: RowFile;
  /** Absent where nothing is measured. */
  heldOut: RowFile | undefined;
}

/** Opens the rows, each file read and checked from end to end, and closes them again. */
async function withRows<T>(
  config: TrainingConfig,
  events: TrainingEvents | undefined,
  work: (rows: RunRows) => Promise<T>,
): Promise<T> {
  const { corpus, heldOut: measured } = corpusFiles(config);
  const open = (path: string): Promise<RowFile> =>
    RowFile.open(path, { onProgress: slowly(events, `reading ${path}`, "bytes") });
  const train = await open(corpus);
  let heldOut: RowFile | undefined;
  try {
    heldOut = measured === undefined ? undefined : await open(measured);
    return await work({ train, heldOut });
  } finally {
    heldOut?.close();
    train.close();
  }
}

/** What a run needs besides weights. */
interface Preparation {
  rows: RunRows;
  loader: DataLoader;
  tokenizer: Tokenizer;
  plan: TrainingPlan;
  budgets: Budget[];
  contents: RunContents;
}

async function prepareRun(
  config: TrainingConfig,
  rows: RunRows,
  events: TrainingEvents | undefined,
  device?: string,
): Promise<Preparation> {
  await using session = await openSession(config, { planned: device ?? true });
  const { tokenizer } = session;
  const format = dslByName(config.dsl).format();
  const loader = await DataLoader.open(rows.train, segmentTokenizer(tokenizer, session.config), format, {
    seed: config.seed,
    weights: config.data.taskWeights,
    tokenBudget: config.data.tokensPerBatch,
    maxRowTokens: Math.min(config.data.tokensPerBatch, session.config.contextLength),
    onTooLong: config.data.onTooLong,
    onProgress: slowly(events, "tokenising", "rows"),
  });
  const contents = await contentsOf(config, {
    base: session,
    known: new Map([rows.train, rows.heldOut].flatMap((file) => (file ? [[file.path, file.sha256]] : []))),
    onProgress: slowly(events, "hashing the base weights", "bytes"),
  });
  const planned = planRun(config, session);
  return { rows, loader, tokenizer, ...planned, contents: { ...contents, tokens: loader.tokensSha256 } };
}

/**
 * Trains. The adapter is written at the end; an interrupted run leaves a checkpoint, and resuming it gives the bits that
 * an unbroken run gives.
 * @example
 * ```ts
 * import { readTrainingConfig, train } from "ibert";
 *
 * const config = readTrainingConfig("quickstart", ["steps=200", "output=adapters/short"]);
 * const run = await train(config, {
 *   events: { onStep: ({ step, loss }) => console.log(step, loss) },
 *   signal: AbortSignal.timeout(3_600_000),
 * });
 * if (run.status === "interrupted") console.log("go on with resume:", run.checkpoint);
 * else console.log(run.adapter, run.after?.all.execution?.accuracy);
 * ```
 * @throws IBertError `resume-mismatch` when the run to resume was made of other settings or contents
 */
export async function train(config: TrainingConfig, options: TrainOptions = {}): Promise<TrainResult> {
  const { events, resume } = options;
  // What can be refused at once need not wait for the rows.
  if (resume !== undefined)
    await findCheckpoint(resume, (saved) => requireSameSettings(saved.config, config));
  else await remarkOtherRuns(config, events);
  return withRows(config, events, async (rows) => {
    const preparation = await prepareRun(config, rows, events);
    const resumed = resume === undefined ? undefined : await findSame(resume, config, preparation, events);
    await requireRoom(config, preparation);
    await using session = await openSession(config, { events });
    const dsl = dslByName(config.dsl);
    const engine = options.engine ?? dsl.createEngine();
    // The databases of a held-out row serve every measurement of the run.
    const judge = ExecutionJudge.open(engine);
    try {
      return await new Run(config, options, session, dsl, { engine, judge }, preparation).execute(resumed);
    } finally {
      await judge?.close();
      if (options.engine === undefined) await engine.close();
    }
  });
}

/** The checkpoint of just this run: of the same settings, and made of the same contents. */
async function findSame(
  place: string,
  config: TrainingConfig,
  { contents }: Preparation,
  events: TrainingEvents | undefined,
): Promise<TrainerState> {
  const found = await findCheckpoint(
    place,
    (saved) => {
      requireSameSettings(saved.config, config);
      const { heldOut, ...others } = contents;
      // Another split is another file.
      const comparable = saved.config.evaluation.split === config.evaluation.split;
      requireSameContents(saved.contents, comparable ? contents : others);
    },
    (text) => events?.onRemark?.(text),
  );
  events?.onRemark?.(`going on from ${found.folder}`);
  return readCheckpoint(found);
}

async function remarkOtherRuns(config: TrainingConfig, events: TrainingEvents | undefined): Promise<void> {
  for (const { folder, checkpoints } of await listRuns(checkpointRoot(config))) {
    const last = checkpoints.at(-1)?.step;
    events?.onRemark?.(
      `${folder} holds another run's checkpoints, up to step ${last}; they stay as they are`,
    );
  }
}

/** Whether the measurement before training was made as this configuration would make it. */
function measuredAlike(saved: TrainingConfig, now: TrainingConfig): boolean {
  const how = ({ evaluation: { split, rowsPerTask: rows, maxTokens } }: TrainingConfig) => [
    split,
    rows,
    maxTokens,
  ];
  return isDeepStrictEqual(how(saved), how(now));
}

class Run {
  private readonly events: TrainingEvents;
  private readonly records: StepRecord[];
  private run = newRunId();
  private measured: readonly Row[] = [];
  private trainingSeconds = 0;

  constructor(
    private readonly config: TrainingConfig,
    private readonly options: TrainOptions,
    private readonly session: ModelSession,
    private readonly dsl: Dsl,
    private readonly judges: { engine: DslEngine; judge: ExecutionJudge | undefined },
    private readonly preparation: Preparation,
  ) {
    this.events = options.events ?? {};
    this.records = [];
  }

  async execute(resumed: TrainerState | undefined): Promise<TrainResult> {
    const parts = trainable(this.session, this.config);
    try {
      return await this.steps(parts, resumed);
    } finally {
      parts.step.free();
      parts.adapter.free();
    }
  }

  private async steps(
    { adapter, step }: ReturnType<typeof trainable>,
    resumed: TrainerState | undefined,
  ): Promise<TrainResult> {
    const { config, events } = this;
    const { loader, plan, contents } = this.preparation;
    const { layout } = adapter;
    events.onPlan?.(plan);
    if (resumed !== undefined) {
      this.run = resumed.run;
      const { params, m, v } = resumed;
      adapter.load(layout.withGaps(params));
      step.optimizer.restore({ m: layout.withGaps(m), v: layout.withGaps(v) });
      loader.restore(resumed.loader);
      this.records.push(...resumed.records);
    }
    const before =
      resumed !== undefined && measuredAlike(resumed.config, config)
        ? (resumed.before as EvaluationResult | undefined)
        : await this.evaluate("before", 0, undefined);

    let done = resumed?.step ?? 0;
    let checkpoint: string | undefined;
    const save = async (): Promise<void> => {
      const { m, v } = await step.optimizer.state();
      const params = await adapter.read();
      const state = {
        run: this.run,
        step: done,
        config,
        contents,
        params: layout.withoutGaps(params),
        m: layout.withoutGaps(m),
        v: layout.withoutGaps(v),
        loader: loader.state(),
        records: this.records,
        before,
      };
      checkpoint = await saveCheckpoint(checkpointRoot(config), state, { keep: config.checkpoint.keep });
      events.onCheckpoint?.(checkpoint);
    };
    const result = (status: TrainResult["status"], after?: EvaluationResult): TrainResult => ({
      run: this.run,
      contents,
      status,
      steps: done,
      ...(status === "complete" ? { adapter: config.output } : {}),
      ...(checkpoint === undefined ? {} : { checkpoint }),
      records: this.records,
      before,
      after,
      measured: this.measured,
      shares: loader.realisedShares(),
      plan,
      trainingSeconds: this.trainingSeconds,
    });

    while (done < config.steps) {
      if (this.options.signal?.aborted === true) {
        await save();
        return result("interrupted");
      }
      await this.step(step, loader, done);
      done++;
      const due = (every: number): boolean => every > 0 && done % every === 0 && done < config.steps;
      if (due(config.evaluation.everySteps)) {
        step.freeActivations();
        await this.evaluate("during", done, adapter);
      }
      if (due(config.checkpoint.everySteps)) await save();
    }
    step.freeActivations();
    await this.saveResult(adapter, before);
    const after = await this.evaluate("after", done, adapter);
    if (after !== undefined) await this.saveResult(adapter, before, after);
    return result("complete", after);
  }

  private async step(step: TrainStep, loader: DataLoader, done: number): Promise<void> {
    const { config, events } = this;
    const { learningRate: peak, warmupSteps, finalLearningRateRatio: finalRatio } = config.optimizer;
    const rate = learningRate(done, { peak, steps: config.steps, warmupSteps, finalRatio });
    const started = performance.now();
    const share = config.data.curriculum === "none" ? 1 : curriculumShare(done, config.steps);
    const batches = Array.from({ length: config.data.gradientAccumulation }, () => loader.next(share));
    const { loss, gradNorm, tokens, supervisedTokens } = await step.run(batches, done + 1, rate);
    const seconds = (performance.now() - started) / 1000;
    this.trainingSeconds += seconds;
    const record: StepRecord = {
      step: done + 1,
      loss,
      gradNorm,
      learningRate: rate,
      tokens,
      supervisedTokens,
      tokensPerSecond: tokens / seconds,
    };
    this.records.push(record);
    const recent = this.records.slice(-10);
    const pace = recent.reduce((sum, entry) => sum + entry.tokens / entry.tokensPerSecond, 0) / recent.length;
    events.onStep?.(record, {
      steps: config.steps,
      etaSeconds: pace * (config.steps - done - 1),
      residentBytes: process.memoryUsage.rss(),
    });
  }

  private async evaluate(
    when: "before" | "during" | "after",
    step: number,
    adapter: ReturnType<ModelSession["createAdapter"]> | undefined,
  ): Promise<EvaluationResult | undefined> {
    const { config, session, events } = this;
    const { rowsPerTask: whole, duringRowsPerTask, maxTokens } = config.evaluation;
    const perTask = when === "during" ? duringRowsPerTask : whole;
    const { heldOut } = this.preparation.rows;
    if (perTask === 0 || heldOut === undefined) return undefined;
    const rows = rowsPerTask(heldOut, perTask);
    if (when !== "during") this.measured = rows;
    const inference = openInference(session, config, adapter);
    try {
      const result = await evaluateByGeneration({
        rows,
        inference,
        tokenizer: this.preparation.tokenizer,
        stopIds: session.stopIds,
        format: this.dsl.format(),
        ...this.judges,
        maxTokens,
        onProgress: (finished, total) => events.onEvaluationProgress?.(when, finished, total),
      });
      events.onEvaluation?.(when, step, result);
      return result;
    } finally {
      inference.dispose();
    }
  }

  private async saveResult(
    adapter: ReturnType<ModelSession["createAdapter"]>,
    before: EvaluationResult | undefined,
    after?: EvaluationResult,
  ): Promise<void> {
    const { config, session } = this;
    const shares = (
      result: EvaluationResult | undefined,
      share: (metrics: TaskMetrics) => number | undefined,
    ) =>
      result &&
      Object.fromEntries(Object.entries(result.tasks).map(([task, metrics]) => [task, share(metrics)]));
    const compiles = (metrics: TaskMetrics): number => metrics.rates.compile;
    const executes = (metrics: TaskMetrics): number | undefined => metrics.execution?.accuracy;
    const last = this.records.at(-1);
    await saveAdapter(config.output, adapter.layout, await adapter.read(), {
      baseModel: session.source.baseModel,
      sidecar: {
        format: 1,
        base: config.base,
        dsl: await this.judges.engine.version(),
        prompts: this.dsl.defaultPrompts,
        training: {
          run: this.run,
          contents: this.preparation.contents,
          steps: this.records.length,
          tokens: this.records.reduce((sum, record) => sum + record.tokens, 0),
          finalLoss: last?.loss,
          seed: config.seed,
          corpus: config.corpus,
          executionAccuracyBefore: shares(before, executes),
          executionAccuracyAfter: shares(after, executes),
          compileRateBefore: shares(before, compiles),
          compileRateAfter: shares(after, compiles),
        },
      },
    });
  }
}
