/** A training run from its configuration to the saved adapter. */
import { join } from "node:path";

import { DataLoader, type TaskShare } from "../data/loader.js";
import { Random } from "../data/random.js";
import { readSplit } from "../data/reader.js";
import type { Row, TaskType } from "../data/tasks.js";
import type { Dsl } from "../dsl/definition.js";
import type { DslEngine } from "../dsl/dsl.js";
import { dslByName } from "../dsl/registry.js";
import { IBertError } from "../errors.js";
import { evaluateByGeneration, segmentTokenizer } from "../evaluation/evaluate.js";
import { rowsPerTask, type EvaluationResult } from "../evaluation/metrics.js";
import { InferenceEngine } from "../generation/engine.js";
import { saveAdapter } from "../models/adapter-file.js";
import { Decoder } from "../models/decoder.js";
import type { LoraAdapter } from "../models/lora.js";
import { ModelSession } from "../models/session.js";
import type { Tokenizer } from "../models/tokenizer.js";
import { loadCheckpoint, saveCheckpoint, type StepRecord, type TrainerState } from "./checkpoint.js";
import type { TrainingConfig } from "./config.js";
import type { TrainingEvents } from "./events.js";
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
  /** `interrupted`: the checkpoint holds the run; the adapter is not written. */
  status: "complete" | "interrupted";
  steps: number;
  adapter?: string;
  checkpoint?: string;
  records: StepRecord[];
  before: EvaluationResult | undefined;
  after: EvaluationResult | undefined;
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
export async function planTraining(config: TrainingConfig): Promise<TrainingPlan> {
  return (await prepareRun(config, await readSplit(config.corpus, "train"))).plan;
}

/** What a run needs besides weights. */
interface Preparation {
  loader: DataLoader;
  tokenizer: Tokenizer;
  plan: TrainingPlan;
}

async function prepareRun(config: TrainingConfig, rows: readonly Row[]): Promise<Preparation> {
  await using session = await openSession(config, { planned: true });
  const { tokenizer } = session;
  const format = dslByName(config.dsl).format();
  const loader = new DataLoader(
    rows,
    segmentTokenizer(tokenizer),
    (task, fields) => format.prompt(task, fields),
    {
      seed: config.seed,
      weights: config.data.taskWeights,
      tokenBudget: config.data.tokensPerBatch,
      maxRowTokens: Math.min(config.data.tokensPerBatch, session.config.contextLength),
      onTooLong: config.data.onTooLong,
    },
  );
  const plan = planMemory(
    session,
    () => trainable(session, config).step,
    evaluates(config) ? () => openInference(session, config, undefined) : undefined,
  );
  return { loader, tokenizer, plan };
}

const evaluates = ({ evaluation }: TrainingConfig): boolean =>
  evaluation.rowsPerTask > 0 || (evaluation.everySteps > 0 && evaluation.duringRowsPerTask > 0);

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
 */
export async function train(config: TrainingConfig, options: TrainOptions = {}): Promise<TrainResult> {
  const resumed = options.resume === undefined ? undefined : await loadCheckpoint(options.resume);
  if (resumed !== undefined) requireSameRun(resumed.config, config);
  const rows = await readSplit(config.corpus, "train");
  const preparation = await prepareRun(config, rows);
  requireMemory(preparation.plan, availableMemory());
  const dsl = dslByName(config.dsl);
  await using session = await openSession(config, { events: options.events });
  const engine = options.engine ?? dsl.createEngine();
  try {
    return await new Run(config, options, session, dsl, engine, preparation).execute(resumed);
  } finally {
    if (options.engine === undefined) await engine.close();
  }
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

function requireSameRun(saved: TrainingConfig, now: TrainingConfig): void {
  // Where a run computes, how long it goes on and how often it looks up may change; what it computes may not.
  const fixed = ({ base, corpus, dsl, seed, lora, model, data, optimizer, steps }: TrainingConfig) => ({
    base,
    corpus,
    dsl,
    seed,
    lora,
    model,
    data,
    optimizer,
    steps,
  });
  const [a, b] = [fixed(saved) as Record<string, unknown>, fixed(now) as Record<string, unknown>];
  const changed = Object.keys(a).filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));
  if (changed.length === 0) return;
  throw new IBertError("resume-mismatch", `the checkpoint was made with another ${changed.join(", ")}`, {
    hint: "Resume with the configuration of the unbroken run, or start anew without --resume.",
  });
}

class Run {
  private readonly events: TrainingEvents;
  private readonly records: StepRecord[];
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
    const { loader, plan } = this.preparation;
    events.onPlan?.(plan);
    if (resumed !== undefined) {
      adapter.load(resumed.params);
      step.optimizer.restore(resumed);
      loader.restore(resumed.loader);
      this.records.push(...resumed.records);
    }
    const before =
      resumed === undefined
        ? await this.evaluate("before", 0, undefined)
        : (resumed.before as EvaluationResult | undefined);

    let done = resumed?.step ?? 0;
    let checkpoint: string | undefined;
    const save = async (): Promise<void> => {
      const { m, v } = await step.optimizer.state();
      const params = await adapter.read();
      const state = {
        step: done,
        config,
        params,
        m,
        v,
        loader: loader.state(),
        records: this.records,
        before,
      };
      checkpoint = await saveCheckpoint(checkpointRoot(config), state, { keep: config.checkpoint.keep });
      events.onCheckpoint?.(checkpoint);
    };
    const result = (status: TrainResult["status"], after?: EvaluationResult): TrainResult => ({
      status,
      steps: done,
      ...(status === "complete" ? { adapter: config.output } : {}),
      ...(checkpoint === undefined ? {} : { checkpoint }),
      records: this.records,
      before,
      after,
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
    const { split, rowsPerTask: whole, duringRowsPerTask, maxTokens } = config.evaluation;
    const perTask = when === "during" ? duringRowsPerTask : whole;
    if (perTask === 0) return undefined;
    const rows = rowsPerTask(await readSplit(config.corpus, split), perTask);
    const inference = openInference(session, config, adapter);
    try {
      const result = await evaluateByGeneration({
        rows,
        inference,
        tokenizer: this.preparation.tokenizer,
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
