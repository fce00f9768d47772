/** `ibert evaluate`: a model on the held-out rows of a corpus. */
import { join } from "node:path";

import { Option, type Command } from "commander";

import { SPLITS, type Split } from "../data/tasks.js";
import { IBertError } from "../errors.js";
import { evaluate, type EvaluateOptions } from "../evaluation/evaluate-model.js";
import { EXECUTION_HINT } from "../evaluation/execution/judge.js";
import { evaluationTable } from "./evaluation-table.js";
import { numberBetween, wholeNumber, withExample } from "./help.js";
import { EXIT, type Run } from "./main.js";
import { addModelOptions, chosenModel, type ModelOptions } from "./model-options.js";

interface Options extends ModelOptions {
  corpus: string;
  split: Exclude<Split, "train">;
  rowsPerTask: number;
  maxTokens: number;
  compareBase?: boolean;
  failures: number;
  minAccuracy?: number;
  minCompileRate?: number;
  json?: boolean;
}

export function addEvaluateCommand(program: Command, run: Run): void {
  const command = program
    .command("evaluate")
    .description("Let a model answer held-out rows, and execution and the compiler judge the answers.")
    .option("--corpus <folder>", "the corpus", join("data", "corpus", "quickstart"))
    .addOption(
      new Option("--split <name>", "test: unseen program shapes; test_schema: unseen schemas")
        .choices(SPLITS.filter((split) => split !== "train"))
        .default("test"),
    )
    .option("--rows-per-task <n>", "rows of each task", wholeNumber(1), 40)
    .option("--max-tokens <n>", "length of an answer", wholeNumber(1), 96)
    .option("--compare-base", "measure the base model alone as well")
    .option("--failures <n>", "show so many answers that do not compile or execute equal", wholeNumber(0), 0)
    .option("--min-accuracy <share>", "exit with 1 where fewer answers execute equal", numberBetween(0, 1))
    .option("--min-compile-rate <share>", "exit with 1 below this share of 1", numberBetween(0, 1));
  addModelOptions(command)
    .option("--json", "print { before, after } with every answer and its score")
    .action((options: Options) => measure(options, run));
  withExample(command, "npx ibert evaluate --adapter adapters/quickstart --split test_schema --compare-base");
}

async function measure(options: Options, run: Run): Promise<void> {
  const { base, adapter } = chosenModel(options);
  const { stderr } = run.terminal;
  const live = stderr.isTTY === true && options.json !== true;
  const shared: EvaluateOptions = {
    base,
    corpus: options.corpus,
    split: options.split,
    rowsPerTask: options.rowsPerTask,
    maxTokens: options.maxTokens,
    backend: options.backend,
    threads: options.threads,
    onProgress: (finished, total) => {
      if (live) stderr.write(`\r\u001b[K${finished < total ? `${finished} of ${total} answers` : ""}`);
    },
  };
  const before = options.compareBase === true && adapter !== undefined ? await evaluate(shared) : undefined;
  const after = await evaluate(adapter === undefined ? shared : { ...shared, adapter });
  const compiled = after.all.rates.compile;
  if (options.minCompileRate !== undefined && compiled < options.minCompileRate) run.exitCode = EXIT.refused;
  const accuracy = after.all.execution?.accuracy;
  if (options.minAccuracy !== undefined) {
    if (accuracy === undefined) throw new IBertError("duckdb-missing", EXECUTION_HINT);
    if (accuracy < options.minAccuracy) run.exitCode = EXIT.refused;
  }
  if (options.json === true) return run.printJson({ base, adapter, before, after });
  run.print(`${adapter ?? base} on ${options.corpus}, ${options.split}`);
  run.print(evaluationTable(after, before));
  const failed = after.scores.filter(
    ({ holdsCode, passed, execution }) => holdsCode && (!passed.compile || execution?.equal === false),
  );
  for (const { id, prediction, error, execution } of failed.slice(0, options.failures)) {
    run.print(`\n${id}: ${error ?? execution?.reason ?? ""}\n  ${prediction.replaceAll("\n", "\n  ")}`);
  }
}
