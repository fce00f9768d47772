import { splitCounts, type SplitCounts } from "./corpus.js";
import type { TaskWeights } from "./sampler.js";

/** More of the tasks whose answers are programs, fewer of those whose answers are mostly prose. */
export const DEFAULT_TASK_WEIGHTS: Required<TaskWeights> = {
  code_completion: 0.2,
  ibis_to_sql: 0.18,
  error_resolution: 0.18,
  qa: 0.12,
  function_documentation: 0.08,
  sql_to_ibis: 0.24,
};

/** Rows of the corpora that `data build --profile` makes unless told otherwise. */
export const CORPUS_PRESETS: Readonly<Record<"quickstart" | "full", SplitCounts>> = {
  // About 145,000 tokens of training rows: what a laptop's CPU takes in within the five minutes of the quick start.
  quickstart: splitCounts(
    { train: 2000, evaluation: { valid: 20, test: 40, test_schema: 20 } },
    DEFAULT_TASK_WEIGHTS,
  ),
  full: splitCounts(
    { train: 20_000, evaluation: { valid: 100, test: 200, test_schema: 100 } },
    DEFAULT_TASK_WEIGHTS,
  ),
};
