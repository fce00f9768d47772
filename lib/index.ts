/**
 * ibert: LoRA fine-tuning and serving of code models for lazy dataframe DSLs, with native kernels and the real compiler
 * in the loop.
 */
import "./runtime/require-node.js";

export {
  IBertModel,
  IBertConfig,
  type AnswerVerdict,
  type GenerateRequest,
  type GenerateResult,
} from "./ibert-model.js";
export { ERROR_CODES, type IBertErrorCode } from "./error-codes.js";
export { IBertError } from "./errors.js";
export { pullBase, type PulledBase } from "./models/pull.js";
export { train, planTraining, type TrainOptions, type TrainResult } from "./training/train.js";
export { TrainingConfig, parseTrainingConfig } from "./training/config.js";
export { readTrainingConfig } from "./training/config-file.js";
export type { TrainingEvents, TrainingProgress } from "./training/events.js";
export { evaluate, type EvaluateOptions } from "./evaluation/evaluate-model.js";
export { ExecutionJudge } from "./evaluation/execution/judge.js";
export { evaluateByGeneration } from "./evaluation/evaluate.js";
export type { EvaluationResult, TaskMetrics } from "./evaluation/metrics.js";
export { validate, closeValidators } from "./validation/validate.js";
export { TASK_TYPES, type TaskType } from "./data/tasks.js";
export { STAGES, type Schema, type Stage, type Verdict } from "./dsl/dsl.js";
