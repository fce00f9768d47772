import { DECLARED_TASKS } from "../dsl/declared.js";
import { splitCounts, type SplitCounts } from "./corpus.js";
import type { TaskWeights } from "./sampler.js";

const DEFAULT_TASK_WEIGHTS: TaskWeights = Object.fromEntries(
  DECLARED_TASKS.map(({ name, weight }) => [name, weight]),
);

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
