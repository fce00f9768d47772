// The plan of a run as data: which cells, with which settings, for how many steps.
import { readFileSync } from "node:fs";

import { parse } from "yaml";

import { RunError } from "./state.mjs";

const KEYS = ["base", "corpus", "speeds", "train", "grid", "final", "rft", "evaluate"];

const positive = (value, name) => {
  const number = Number(value);
  if (!Number.isInteger(number) || number <= 0)
    throw new RunError(`--${name} ${value}: expected a whole number above 0`);
  return number;
};

/** Reads a plan, with what options of the command line change in it. @throws RunError naming what is wrong */
export function readPlan(path, options = {}) {
  const plan = parse(readFileSync(path, "utf8"));
  const unknown = Object.keys(plan).filter((key) => !KEYS.includes(key));
  const missing = KEYS.filter((key) => !(key in plan));
  if (unknown.length > 0) throw new RunError(`${path}: unknown key ${unknown.join(", ")}`);
  if (missing.length > 0) throw new RunError(`${path}: ${missing.join(", ")} is missing`);
  if (options.rows !== undefined) plan.corpus.rows = positive(options.rows, "rows");
  if (options.tokens !== undefined) plan.final.tokens = positive(options.tokens, "tokens");
  if (options["grid-tokens"] !== undefined)
    plan.grid.tokens = positive(options["grid-tokens"], "grid-tokens");
  if (options["grid-limit"] !== undefined) plan.grid.limit = positive(options["grid-limit"], "grid-limit");
  if (options.limit !== undefined) {
    const limit = positive(options.limit, "limit");
    for (const split of Object.keys(plan.evaluate.splits)) plan.evaluate.splits[split] = limit;
  }
  return plan;
}

/** The settings of `ibert-train` for a budget of tokens: steps and the schedule follow from it. */
export function trainingSettings(plan, tokens, settings) {
  const all = [...(plan.train.set ?? []), ...settings];
  const last = (key, fallback) =>
    Number(all.findLast((one) => one.startsWith(`${key}=`))?.slice(key.length + 1) ?? fallback);
  const perStep = last("data.tokensPerBatch", 2048) * last("data.gradientAccumulation", 1);
  const steps = Math.max(1, Math.round(tokens / perStep));
  const warmup = Math.max(1, Math.round(plan.train.warmup * steps));
  return {
    steps,
    settings: [`base=${plan.base}`, `steps=${steps}`, `optimizer.warmupSteps=${warmup}`, ...all],
  };
}

/** Whether settings train the MLP's matrices too, which takes longer. */
export const trainsAll = (settings) =>
  settings.findLast((one) => one.startsWith("lora.targets="))?.includes("down_proj") === true;

/**
 * The best of some cells by the accuracy on `valid`; of equals the first.
 * @param cells `{ name, accuracy }`, smaller adapters first
 */
export function best(cells) {
  return cells.reduce((found, cell) =>
    found === undefined || cell.accuracy > found.accuracy ? cell : found,
  );
}
