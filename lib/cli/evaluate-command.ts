/** `ibert evaluate`: a model on the held-out rows of a corpus. */
import { join } from "node:path";

import { Option, type Command } from "commander";

import { corpusFolder } from "../data/corpus.js";
import { parseTaskType, SPLITS, TASK_TYPES, type Split, type TaskType } from "../data/tasks.js";
import { IBertError } from "../errors.js";
import { FACETS, type Facet } from "../evaluation/breakdown.js";
import { evaluateSubjects, type EvaluateOptions, type Subject } from "../evaluation/evaluate-model.js";
import { writeEvaluation } from "../evaluation/report/write.js";
import { EXECUTION_HINT } from "../evaluation/execution/judge.js";
import type { EvaluationResult } from "../evaluation/metrics.js";
import {
  breakdownTable,
  describeDifference,
  describeExecution,
  describeInterval,
  evaluationTable,
} from "./evaluation-table.js";
import { formatPercent } from "./format.js";
import { numberBetween, wholeNumber, withExample } from "./help.js";
import { EXIT, type Run } from "./main.js";
import { addModelOptions, chosenModel, type ModelOptions } from "./model-options.js";

/** Examples of the baseline that has some. */
const SHOTS = 3;

interface Options extends ModelOptions {
  corpus: string;
  split: Exclude<Split, "train">;
  rowsPerTask?: number;
  limit?: number;
  tasks?: TaskType[];
  output?: string;
  maxTokens: number;
  baselines: boolean;
  compare?: string;
  samples: number;
  temperature?: number;
  by?: Facet;
  failures: number;
  minAccuracy?: number;
  minCompileRate?: number;
  json?: boolean;
}

const taskList = (names: string): TaskType[] =>
  names.split(",").map((name) => parseTaskType(name.trim(), "--tasks"));

export function addEvaluateCommand(program: Command, run: Run): void {
  const command = program
    .command("evaluate")
    .description("Let a model answer held-out rows, and execution and the compiler judge the answers.")
    .option("--corpus <folder>", "the corpus", corpusFolder("quickstart"))
    .addOption(
      new Option("--split <name>", "test: unseen program shapes; test_schema: unseen schemas")
        .choices(SPLITS.filter((split) => split !== "train"))
        .default("test"),
    )
    .option("--rows-per-task <n>", "rows of each task (default: 40, with --limit no bound)", wholeNumber(1))
    .option("--limit <n>", "rows in all, shared out among the tasks", wholeNumber(1))
    .option("--tasks <names>", `some of ${TASK_TYPES.join(", ")}, with commas between`, taskList)
    .option(
      "--output <folder>",
      "keep scores there as they come, go on with those there are, and write the report",
    )
    .option("--max-tokens <n>", "length of an answer", wholeNumber(1), 96)
    .option("--no-baselines", "leave out the base model without and with 3 examples")
    .option("--compare <adapter>", "measure this adapter too, and whether the difference is chance")
    .option("--samples <n>", "answers to each row, for pass@k", wholeNumber(1), 1)
    .option(
      "--temperature <t>",
      "of the drawing of answers (default: 0; 0.8 for several)",
      numberBetween(0, 2),
    )
    .addOption(new Option("--by <facet>", "break the accuracy down").choices(FACETS))
    .option("--failures <n>", "show so many answers that do not compile or execute equal", wholeNumber(0), 0)
    .option("--min-accuracy <share>", "exit with 1 where fewer answers execute equal", numberBetween(0, 1))
    .option("--min-compile-rate <share>", "exit with 1 below this share of 1", numberBetween(0, 1));
  addModelOptions(command)
    .option(
      "--json",
      "print { before, shots, after, other } with every answer and its score; with --output the report",
    )
    .action((options: Options) => measure(options, run));
  withExample(
    command,
    "npx ibert evaluate --adapter adapters/quickstart --split test_schema --limit 300 --output evaluation",
  );
}

async function measure(options: Options, run: Run): Promise<void> {
  const { base, adapter } = chosenModel(options);
  const { stderr } = run.terminal;
  const live = stderr.isTTY === true && options.json !== true;
  const shared: Omit<EvaluateOptions, "adapter"> = {
    base,
    corpus: options.corpus,
    split: options.split,
    rowsPerTask: options.rowsPerTask,
    limit: options.limit,
    tasks: options.tasks,
    ...(options.output === undefined ? {} : { scores: join(options.output, "scores.jsonl") }),
    maxTokens: options.maxTokens,
    samples: options.samples,
    temperature: options.temperature,
    backend: options.backend,
    threads: options.threads,
    onProgress: (finished, total) => {
      if (live) stderr.write(`\r\u001b[K${finished < total ? `${finished} of ${total} answers` : ""}`);
    },
  };
  const subjects = new Map<string, Subject>();
  if (options.baselines) {
    if (adapter !== undefined) subjects.set("before", {});
    subjects.set("shots", { shots: SHOTS });
  }
  subjects.set("after", adapter === undefined ? {} : { adapter });
  if (options.compare !== undefined) subjects.set("other", { adapter: options.compare });
  const found = await evaluateSubjects(shared, [...subjects.values()], [...subjects.keys()].indexOf("after"));
  const measured = found.results;
  const results = Object.fromEntries([...subjects.keys()].map((name, i) => [name, measured[i]]));
  const { before, shots, other } = results;
  const after = results["after"] as EvaluationResult;
  const compiled = after.all.rates.compile;
  if (options.minCompileRate !== undefined && compiled < options.minCompileRate) run.exitCode = EXIT.refused;
  const accuracy = after.all.execution?.accuracy;
  if (options.minAccuracy !== undefined) {
    if (accuracy === undefined) {
      throw new IBertError("not-executed", "--min-accuracy: whether answers execute equal was not measured", {
        hint: EXECUTION_HINT,
      });
    }
    if (accuracy < options.minAccuracy) run.exitCode = EXIT.refused;
  }
  const labels: Record<string, string> = {
    before: `${base} with no example`,
    shots: `${base} with ${SHOTS} examples`,
    after: adapter ?? `${base} with no example`,
    other: options.compare ?? "",
  };
  const report =
    options.output === undefined ? undefined : await writeEvaluation(options.output, found, subjects, labels);
  if (options.json === true && report !== undefined) return run.printJson(report);
  if (options.json === true) return run.printJson({ base, adapter, before, shots, after, other });
  run.print(`${adapter ?? base} on ${options.corpus}, ${options.split}`);
  run.print(evaluationTable(after, before));
  if (shots !== undefined) run.print(`${base} with ${SHOTS} examples: ${describeExecution(shots.all)}`);
  for (const { k, rate, interval } of after.passAt ?? []) {
    run.print(`pass@${k}: ${formatPercent(rate)} (95 %: ${describeInterval(interval)})`);
  }
  if (before !== undefined) run.print(`against the base: ${describeDifference(before, after)}`);
  if (other !== undefined) {
    run.print(`${options.compare}: ${describeExecution(other.all)}`);
    run.print(`against ${adapter ?? base}: ${describeDifference(after, other)}`);
  }
  if (options.by !== undefined) run.print(`\n${breakdownTable(after, options.by)}`);
  if (options.output !== undefined) run.print(`report   ${join(options.output, "evaluation.html")}`);
  if (options.failures === 0) return;
  if (options.output !== undefined) {
    for (const { id, reason, prediction } of found.failures.slice(0, options.failures)) {
      run.print(`\n${id}: ${reason}\n  ${prediction.replaceAll("\n", "\n  ")}`);
    }
    return;
  }
  const failed = after.scores.filter(
    ({ holdsCode, passed, execution }) => holdsCode && (!passed.compile || execution?.equal === false),
  );
  for (const { id, prediction, error, execution } of failed.slice(0, options.failures)) {
    run.print(`\n${id}: ${error ?? execution?.reason ?? ""}\n  ${prediction.replaceAll("\n", "\n  ")}`);
  }
}
