import type { EvaluationResult } from "../evaluation/metrics.js";
import type { StepRecord } from "./checkpoint.js";
import type { TrainingPlan } from "./plan.js";

/** What a run tells while it goes. Handlers must not throw. */
export interface TrainingEvents {
  onLoading?(loadedBytes: number, totalBytes: number): void;
  onPlan?(plan: TrainingPlan): void;
  onStep?(record: StepRecord, progress: TrainingProgress): void;
  onEvaluationProgress?(when: string, finished: number, total: number): void;
  onEvaluation?(when: "before" | "during" | "after", step: number, result: EvaluationResult): void;
  onCheckpoint?(folder: string): void;
  /** Something to know that stops nothing. */
  onRemark?(text: string): void;
  /** Work before the first step that takes long; not called where it is quick. */
  onPreparing?(work: Preparing): void;
}

export interface Preparing {
  /** For example `reading data/corpus/full/train.jsonl`. */
  what: string;
  done: number;
  total: number;
  unit: "bytes" | "rows";
}

export interface TrainingProgress {
  steps: number;
  etaSeconds: number;
  residentBytes: number;
}

/** Work shorter than this needs no word, and between two words lies as much. */
const QUICK_MS = 2000;

/** Tells of one piece of work as `onPreparing`, when it has gone on for a while and then now and again. */
export function slowly(
  events: TrainingEvents | undefined,
  what: string,
  unit: Preparing["unit"],
): (done: number, total: number) => void {
  let last = performance.now();
  return (done, total) => {
    if (performance.now() - last < QUICK_MS) return;
    last = performance.now();
    events?.onPreparing?.({ what, done, total, unit });
  };
}
