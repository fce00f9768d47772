/**
 * ibert: LoRA fine-tuning and serving of code models for lazy dataframe DSLs, with native kernels and the real compiler
 * in the loop.
 */
import "./runtime/require-node.js";

export { IBertModel } from "./ibert-model.js";
export type { AnswerVerdict, GenerateRequest, GenerateResult, IBertConfig } from "./ibert-options.js";
export { ERROR_CODES, type IBertErrorCode } from "./error-codes.js";
export { IBertError } from "./errors.js";
export { pullBase, type PulledBase } from "./models/pull.js";
export type { SourceOptions } from "./models/sources.js";
export type { PullOptions, PullProgress } from "./hub/pull.js";
export {
  train,
  planTraining,
  type PlannedTraining,
  type TrainOptions,
  type TrainResult,
} from "./training/train.js";
export { TrainingConfig, parseTrainingConfig } from "./training/config.js";
export { readTrainingConfig } from "./training/config-file.js";
export type { Preparing, TrainingEvents, TrainingProgress } from "./training/events.js";
export type { Budget, Part, TrainingPlan } from "./training/plan.js";
export { evaluate, type EvaluateOptions } from "./evaluation/evaluate-model.js";
export { ExecutionJudge, type ExecutionJudgement } from "./evaluation/execution/judge.js";
export type { Interval } from "./evaluation/bootstrap.js";
export type { Facet, Facets, PassRate } from "./evaluation/breakdown.js";
export type { EvaluationResult, ExecutionMetrics, RowScore, TaskMetrics } from "./evaluation/metrics.js";
export { validate, closeValidators, type ValidateOptions } from "./validation/validate.js";
export type { TaskShare } from "./data/loader.js";
export { TASK_TYPES, type PromptFields, type Provenance, type Row, type TaskType } from "./data/tasks.js";
export {
  SQL_JUDGES,
  STAGES,
  type ApiEntry,
  type CheckItem,
  type Labelled,
  type CutProgram,
  type CutSite,
  type Neighbourhood,
  type QueryConstant,
  type SourcePosition,
  type SqlCheckOptions,
  type SqlVerdict,
  type CheckOptions,
  type DslEngine,
  type Schema,
  type Site,
  type SqlJudge,
  type Stage,
  type Verdict,
  type VerdictError,
} from "./dsl/dsl.js";
export { createEngine } from "./dsl/registry.js";
export type { Obstacle } from "./runtime/probe.js";
export type { DeviceInfo, DevicePeaks, PassedOver } from "./runtime/native.js";
