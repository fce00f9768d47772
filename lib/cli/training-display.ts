/** What a training run shows while it goes: one display in place on a terminal, lines elsewhere, JSON for programs. */
import type { SingleBar } from "cli-progress";

import type { EvaluationResult, TaskMetrics } from "../evaluation/metrics.js";
import type { StepRecord } from "../training/checkpoint.js";
import type { Preparing, TrainingEvents, TrainingProgress } from "../training/events.js";
import { describePlan, type TrainingPlan } from "../training/plan.js";
import { describeExecution } from "./evaluation-table.js";
import { startBar } from "./bar.js";
import { formatBytes, formatCount, formatDuration, formatPercent } from "./format.js";
import type { Output, Run } from "./main.js";

export interface TrainingDisplay extends Required<TrainingEvents> {
  /** Something to know, said between the lines of progress. */
  say(text: string): void;
  /** Takes the live display away. */
  end(): void;
}

export function trainingDisplay(run: Run, json: boolean): TrainingDisplay {
  if (json) return new JsonDisplay(run);
  const { stderr } = run.terminal;
  return stderr.isTTY === true ? new LiveDisplay(stderr) : new LineDisplay(stderr);
}

export const describeMemory = (plan: TrainingPlan): string => `memory ${describePlan(plan, formatBytes)}`;

const describeEvaluation = (when: string, step: number, { all }: EvaluationResult): string =>
  `${when === "during" ? `step ${step}` : when}: ${describeExecution(all)}; ` +
  `${formatPercent(all.rates.compile)} of ${all.codeRows} answers compile, ${formatPercent(all.sqlEqual)} to the same SQL`;

const describeAccuracy = (metrics: TaskMetrics | undefined): string =>
  metrics?.execution === undefined ? "–" : formatPercent(metrics.execution.accuracy);

function describePreparing({ what, done, total, unit }: Preparing): string {
  const amount = unit === "bytes" ? formatBytes : formatCount;
  return `${what}: ${amount(done)} of ${amount(total)}${unit === "rows" ? " rows" : ""}`;
}

function describeStep(
  record: StepRecord,
  progress: TrainingProgress,
  measured: TaskMetrics | undefined,
): string {
  return [
    `step ${record.step}/${progress.steps}`,
    `loss ${record.loss.toFixed(3)}`,
    `${record.tokensPerSecond.toFixed(0)} tokens/s`,
    `${formatDuration(progress.etaSeconds)} left`,
    formatBytes(progress.residentBytes),
    `executes equal ${describeAccuracy(measured)}`,
  ].join("  ");
}

/** Lines, few enough for a log. */
class LineDisplay implements TrainingDisplay {
  /** The last measurement. */
  protected measured: TaskMetrics | undefined;

  constructor(protected readonly stream: Output) {}

  say(text: string): void {
    this.stream.write(`${text}\n`);
  }

  end(): void {
    // Every line stands for itself.
  }

  onLoading(loaded: number, total: number): void {
    if (loaded >= total) this.say(`loaded ${formatBytes(total)} of weights`);
  }

  onPlan(plan: TrainingPlan): void {
    this.say(describeMemory(plan));
  }

  onStep(record: StepRecord, progress: TrainingProgress): void {
    const every = Math.max(1, Math.round(progress.steps / 20));
    const { step } = record;
    if (step !== 1 && step % every !== 0 && step !== progress.steps) return;
    this.say(describeStep(record, progress, this.measured));
  }

  onEvaluationProgress(when: string, finished: number, total: number): void {
    if (finished === total) this.say(`measuring ${when}: ${total} rows answered`);
  }

  onEvaluation(when: "before" | "during" | "after", step: number, result: EvaluationResult): void {
    this.measured = result.all;
    this.say(describeEvaluation(when, step, result));
  }

  onCheckpoint(folder: string): void {
    this.say(`checkpoint ${folder}`);
  }

  onRemark(text: string): void {
    this.say(text);
  }

  onPreparing(work: Preparing): void {
    this.say(describePreparing(work));
  }
}

/** One bar that changes in place. */
class LiveDisplay extends LineDisplay {
  private bar: SingleBar | undefined;
  private stage = "";

  override say(text: string): void {
    this.end();
    super.say(text);
  }

  override end(): void {
    this.bar?.stop();
    this.bar = undefined;
    this.stage = "";
  }

  override onPreparing(work: Preparing): void {
    this.show(work.what, work.done, work.total, describePreparing(work));
    if (work.done >= work.total) this.end();
  }

  override onLoading(loaded: number, total: number): void {
    this.show("loading", loaded, total, `loading weights, ${formatBytes(total)}`);
    if (loaded >= total) this.end();
  }

  override onStep(record: StepRecord, progress: TrainingProgress): void {
    this.show("training", record.step, progress.steps, describeStep(record, progress, this.measured));
  }

  override onEvaluationProgress(when: string, finished: number, total: number): void {
    const name = when === "during" ? "measuring" : `measuring ${when} training`;
    this.show(`measuring ${when}`, finished, total, `${name}  ${finished} of ${total} rows`);
  }

  private show(stage: string, value: number, total: number, text: string): void {
    if (this.stage !== stage) {
      this.end();
      this.stage = stage;
      this.bar = startBar(this.stream, total, value, text);
    }
    this.bar?.update(value, { text });
  }
}

/** Every event as one line of JSON on standard output. */
class JsonDisplay implements TrainingDisplay {
  constructor(private readonly run: Run) {}

  say(text: string): void {
    this.run.note(text);
  }

  end(): void {
    // Every line stands for itself.
  }

  onLoading(loadedBytes: number, totalBytes: number): void {
    if (loadedBytes >= totalBytes) this.run.printJson({ event: "loaded", bytes: totalBytes });
  }

  onPlan(plan: TrainingPlan): void {
    this.run.printJson({ event: "plan", ...plan });
  }

  onStep(record: StepRecord, { steps, etaSeconds, residentBytes }: TrainingProgress): void {
    this.run.printJson({ event: "step", ...record, steps, etaSeconds, residentBytes });
  }

  onEvaluationProgress(when: string, finished: number, total: number): void {
    this.run.printJson({ event: "evaluating", when, finished, total });
  }

  onEvaluation(when: "before" | "during" | "after", step: number, { tasks, all }: EvaluationResult): void {
    this.run.printJson({ event: "evaluation", when, step, tasks, all });
  }

  onCheckpoint(folder: string): void {
    this.run.printJson({ event: "checkpoint", folder });
  }

  onRemark(text: string): void {
    this.run.note(text);
  }

  onPreparing(): void {
    // Progress is for people.
  }
}
