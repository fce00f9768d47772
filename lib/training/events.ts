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
}

export interface TrainingProgress {
  steps: number;
  etaSeconds: number;
  residentBytes: number;
}
