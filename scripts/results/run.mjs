// From nothing to docs/results.md: builds the corpus, tries settings on `valid`, trains, goes through a round of rejection sampling, and
// measures. Every stage is skipped when it is done; one that was cut off goes on from its checkpoint or its scores.
//   node scripts/results/run.mjs [--plan FILE] [--output FOLDER] [--seconds N] [--publish] [--rows N] [--tokens N]
//                                [--grid-tokens N] [--grid-limit N] [--limit N]
// Needs the addon, dist/ (npm run build) and the base model (npx ibert model pull smollm2-135m).
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { collect } from "./collect.mjs";
import { Numbers } from "./numbers.mjs";
import { resultsPage } from "./page.mjs";
import { readPlan } from "./plan.mjs";
import { Stages } from "./stages.mjs";
import { RunError, RunState, SittingOver, writeAtomic } from "./state.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const options = {
  plan: { type: "string", default: fileURLToPath(new URL("plan.yaml", import.meta.url)) },
  output: { type: "string", default: "data/results" },
  seconds: { type: "string", default: "Infinity" },
  publish: { type: "boolean", default: false },
  ...Object.fromEntries(
    ["rows", "tokens", "grid-tokens", "grid-limit", "limit"].map((name) => [name, { type: "string" }]),
  ),
};

function git(...args) {
  try {
    return execFileSync("git", ["-C", root, ...args], { encoding: "utf8" }).trim();
  } catch {
    return "";
  }
}

async function tools() {
  const load = (path) => import(pathToFileURL(join(root, "dist", path)).href);
  const [{ readScores }, { interval }, { pairedScores }] = await Promise.all([
    load("evaluation/score-log.js"),
    load("evaluation/bootstrap.js"),
    load("evaluation/report/summary.js"),
  ]);
  return { readScores, interval, pairedScores };
}

async function main() {
  const { values } = parseArgs({ options });
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new RunError(`--seconds ${values.seconds}: expected a number above 0`);
  if (!existsSync(join(root, "dist/cli/ibert.js"))) throw new RunError("dist/ is not there: npm run build");
  const plan = readPlan(values.plan, values);
  const commit = `${git("rev-parse", "--short", "HEAD") || "unknown"}${git("status", "--porcelain", "-uno") === "" ? "" : ", changed"}`;
  // Speeds are for estimates alone.
  const state = new RunState(values.output, { ...plan, speeds: undefined }, { seconds });
  try {
    const numbers = new Numbers(await tools());
    const stages = new Stages(state, plan, { cli: join(root, "dist/cli"), commit, numbers });
    const choices = await stages.run();
    const found = await collect(stages, choices);
    const [json, page] = [join(values.output, "results.json"), join(values.output, "results.md")];
    writeAtomic(json, `${JSON.stringify(found, null, 1)}\n`);
    writeAtomic(page, resultsPage(found));
    console.log(`wrote ${page} and ${json}`);
    if (!values.publish) return;
    copyFileSync(page, join(root, "docs/results.md"));
    copyFileSync(json, join(root, `bench/results/results-${plan.base}.json`));
    console.log(`published docs/results.md and bench/results/results-${plan.base}.json`);
  } finally {
    state.close();
  }
}

try {
  await main();
} catch (error) {
  if (error instanceof SittingOver) {
    console.log(`the sitting is over within ${error.message}; the same command goes on`);
    process.exitCode = 130;
  } else if (error instanceof RunError || error.code?.startsWith("ERR_PARSE_ARGS") === true) {
    console.error(`error: ${error.message}`);
    process.exitCode = 2;
  } else throw error;
}
