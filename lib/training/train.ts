/** A training run from its configuration to the saved adapter. */
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

import { DataLoader, type TaskShare } from "../data/loader.js";
import { Random } from "../data/random.js";
import { RowFile } from "../data/row-file.js";
import type { Row, TaskType } from "../data/tasks.js";
import type { Dsl } from "../dsl/definition.js";
import type { DslEngine } from "../dsl/dsl.js";
import { dslByName } from "../dsl/registry.js";
import { evaluateByGeneration, segmentTokenizer } from "../evaluation/evaluate.js";
import { rowsPerTask, type EvaluationResult } from "../evaluation/metrics.js";
import { InferenceEngine } from "../generation/engine.js";
import { saveAdapter } from "../models/adapter-file.js";
import { Decoder } from "../models/decoder.js";
import type { LoraAdapter } from "../models/lora.js";
import { ModelSession } from "../models/session.js";
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
import { evaluates, type TrainingConfig } from "./config.js";
import {
  contentsOf,
  corpusFiles,
  requireSameContents,
  requireSameSettings,
  type RunContents,
} from "./contents.js";
import { slowly, type TrainingEvents } from "./events.js";
import { availableMemory, planMemory, requireMemory, type TrainingPlan } from "./plan.js";
import { learningRate } from "./schedule.js";
import { TrainStep } from "./train-step.js";

export interface TrainOptions {
  events?: TrainingEvents;
  /** Ends the run after the step in hand, with a checkpoint. */
  signal?: AbortSignal;
  /** A checkpoint, or the folder of a run's checkpoints. */
  resume?: string;
  /** An engine to share; without it the run starts its own and closes it. */
  engine?: DslEngine;
}

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

/** Memory of the run at its highest point, without loading weights. */
export async function planTraining(
  config: TrainingConfig,
  options: Pick<TrainOptions, "events"> = {},
): Promise<{ plan: TrainingPlan; rows: number }> {
  return withRows(config, options.events, async (rows) => ({
    plan: (await prepareRun(config, rows, options.events)).plan,
    rows: rows.train.length,
  }));
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
  contents: RunContents;
}

async function prepareRun(
  config: TrainingConfig,
  rows: RunRows,
  events: TrainingEvents | undefined,
): Promise<Preparation> {
  await using session = await openSession(config, { planned: true });
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
  const plan = planMemory(
    session,
    () => trainable(session, config).step,
    evaluates(config) ? () => openInference(session, config, undefined) : undefined,
  );
  return { rows, loader, tokenizer, plan, contents: { ...contents, tokens: loader.tokensSha256 } };
}

/** The engine of the evaluations. */
function openInference(session: ModelSession, config: TrainingConfig, adapter: LoraAdapter | undefined) {
  const { sequences } = config.evaluation;
  return new InferenceEngine(session, adapter, {
    activations: config.model.activations,
    maxRows: 512,
    maxSequences: sequences,
    maxPositions: sequences * 768,
  });
}

/**
 * Trains. The adapter is written at the end; an interrupted run leaves a checkpoint, and resuming it gives the bits that
 * an unbroken run gives.
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
    requireMemory(preparation.plan, availableMemory());
    await using session = await openSession(config, { events });
    const dsl = dslByName(config.dsl);
    const engine = options.engine ?? dsl.createEngine();
    try {
      return await new Run(config, options, session, dsl, engine, preparation).execute(resumed);
    } finally {
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

function openSession(
  config: TrainingConfig,
  options: { planned?: boolean; events?: TrainingEvents | undefined },
): Promise<ModelSession> {
  const { base, backend, threads, model } = config;
  return ModelSession.open({
    base,
    backend,
    threads,
    weights: model.weights,
    planned: options.planned ?? false,
    tokenizer: true,
    onProgress: (loaded, total) => options.events?.onLoading?.(loaded, total),
  });
}

/** The trainable parts of a session. */
function trainable(session: ModelSession, config: TrainingConfig) {
  const adapter = session.createAdapter(config.lora, Random.of(config.seed, "lora"));
  const decoder = new Decoder(session.device, session.config, session.weights, adapter, {
    activations: config.model.activations,
    recompute: config.model.recompute,
  });
  return { adapter, step: new TrainStep(decoder, config.optimizer, config.data.tokensPerBatch) };
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
    private readonly engine: DslEngine,
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
    const batches = Array.from({ length: config.data.gradientAccumulation }, () => loader.next());
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
        engine: this.engine,
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
    const compileRates = (result: EvaluationResult | undefined) =>
      result &&
      Object.fromEntries(
        Object.entries(result.tasks).map(([task, metrics]) => [task, metrics.rates.compile]),
      );
    const last = this.records.at(-1);
    await saveAdapter(config.output, adapter.layout, await adapter.read(), {
      baseModel: session.source.baseModel,
      sidecar: {
        format: 1,
        base: config.base,
        dsl: await this.engine.version(),
        prompts: this.dsl.defaultPrompts,
        training: {
          run: this.run,
          contents: this.preparation.contents,
          steps: this.records.length,
          tokens: this.records.reduce((sum, record) => sum + record.tokens, 0),
          finalLoss: last?.loss,
          seed: config.seed,
          corpus: config.corpus,
          compileRateBefore: compileRates(before),
          compileRateAfter: compileRates(after),
        },
      },
    });
  }
}
