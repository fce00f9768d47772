/** `ibert data build|inspect|check|coverage`. */
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";

import { Option, type Command } from "commander";

import { buildCorpus, type CorpusProgress } from "../data/build.js";
import { checkCorpus } from "../data/check.js";
import { DATA_CONFIGS, readDataConfig } from "../data/config.js";
import { splitCounts } from "../data/corpus.js";
import { inspectCorpus, type CorpusReport } from "../data/inspect.js";
import { SPLITS, TASK_TYPES } from "../data/tasks.js";
import { DEFAULT_DSL } from "../dsl/declared.js";
import { dslByName } from "../dsl/registry.js";
import { segmentTokenizer } from "../evaluation/evaluate.js";
import { resolveSource } from "../models/sources.js";
import { loadTokenizer } from "../models/load-tokenizer.js";
import { addCoverage } from "./data-coverage-command.js";
import { dslOption } from "./dsl-option.js";
import { formatCount, formatDuration, formatTable } from "./format.js";
import { wholeNumber, withExample } from "./help.js";
import { EXIT, type Run } from "./main.js";

interface BuildOptions {
  config: string;
  rows?: number;
  seed?: number;
  output?: string;
  workers: number;
  json?: boolean;
}

export function addDataCommands(program: Command, run: Run): void {
  const data = program
    .command("data")
    .description("Corpora: build, inspect, check, and how much of the API they reach.");
  addBuild(data, run);
  addInspect(data, run);
  addCheck(data, run);
  addCoverage(data, run);
}

const defaultFolder = (name: string): string => join("data", "corpus", name);

/** `quickstart` of `configs/data/quickstart.yaml`. */
const nameOf = (config: string): string => basename(config).replace(/\.ya?ml$/, "");

const workersOption = (): Option =>
  new Option("--workers <n>", "compiler processes (default: one a core)")
    .argParser(wholeNumber(1))
    .default(Math.min(64, availableParallelism()), "one a core");

function addBuild(data: Command, run: Run): void {
  const command = data
    .command("build")
    .description("Make a corpus of all six tasks; every row that holds code passes the compiler.")
    .option(
      "--config <file>",
      `what it is to hold, in YAML, or ${DATA_CONFIGS.names().join(" or ")}`,
      "quickstart",
    )
    .option("--rows <n>", "training rows, in place of the configuration's", wholeNumber(1))
    .option(
      "--seed <n>",
      "the same seed gives the same bytes; in place of the configuration's",
      wholeNumber(0),
    )
    .option("--output <folder>", "where (default: data/corpus/<name of the configuration>)")
    .addOption(workersOption())
    .option("--json", "print the manifest")
    .action((options: BuildOptions) => build(options, run));
  withExample(
    command,
    "npx ibert data build --config quickstart",
    "npx ibert data build --config full --rows 100000 --output data/corpus/large",
  );
}

async function build(options: BuildOptions, run: Run): Promise<void> {
  const config = readDataConfig(options.config);
  const { dsl: name, profile, evaluation, taskWeights } = config;
  const directory = options.output ?? defaultFolder(nameOf(options.config));
  const seed = options.seed ?? config.seed;
  const rows = splitCounts({ train: options.rows ?? config.rows, evaluation }, taskWeights);
  const { workers } = options;
  const dsl = dslByName(name);
  const engine = dsl.createEngine({ workers });
  const onProgress = options.json === true ? undefined : progressPrinter(run);
  try {
    const source = await dsl.corpusSource(engine, { seed, profile });
    const { manifest, reused } = await buildCorpus(
      { directory, seed, rows },
      { engine, source, workers, ...(onProgress === undefined ? {} : { onProgress }) },
    );
    if (options.json === true) return run.printJson({ directory, reused, manifest });
    run.print(`${directory}: ${reused ? "is there already, unchanged" : "built"}`);
    run.print(countsTable(manifest.counts));
    run.print(`${manifest.refused} candidates refused, ${manifest.duplicates} duplicates left out`);
  } finally {
    await engine.close();
  }
}

/** A line a task when it is complete; on a terminal the count in between too. */
function progressPrinter({ terminal: { stderr } }: Run): (progress: CorpusProgress) => void {
  let said = false;
  return (progress) => {
    if (progress.resumed > 0 && !said)
      stderr.write(`going on after ${formatCount(progress.resumed)} rows of an earlier build\n`);
    said = true;
    const whole = progress.accepted >= progress.wanted;
    if (stderr.isTTY === true) stderr.write(`\r\u001b[K${progressText(progress)}${whole ? "\n" : ""}`);
    else if (whole) stderr.write(`${progressText(progress)}\n`);
  };
}

function progressText(progress: CorpusProgress): string {
  const { task, accepted, wanted, rows, rowsWanted, refused, resumed, seconds } = progress;
  const rate = (rows - resumed) / Math.max(seconds, 1e-3);
  const left = rate > 0 ? `${formatDuration((rowsWanted - rows) / rate)} left` : "";
  return (
    `${task}: ${formatCount(accepted)} of ${formatCount(wanted)} rows, ${formatCount(refused)} refused in all; ` +
    `${formatCount(rows)} of ${formatCount(rowsWanted)}, ${rate.toFixed(0)} rows/s, ${left}`
  );
}

function countsTable(counts: CorpusReport["counts"]): string {
  const rows = TASK_TYPES.map((task) => [task, ...SPLITS.map((split) => formatCount(counts[split][task]))]);
  const totals = SPLITS.map((split) =>
    formatCount(TASK_TYPES.reduce((sum, task) => sum + counts[split][task], 0)),
  );
  return formatTable([["task", ...SPLITS], ...rows, ["all", ...totals]]);
}

function addInspect(data: Command, run: Run): void {
  const command = data
    .command("inspect")
    .description("What a corpus holds: rows, token lengths, an example of each task.")
    .argument("[folder]", "the corpus", defaultFolder("quickstart"))
    .option("--base <name>", "model whose tokens are counted", "smollm2-135m")
    .option("--json", "print the report")
    .action(async (folder: string, options: { base: string; json?: boolean }) => {
      const format = dslByName(DEFAULT_DSL).format();
      const tokenizer = segmentTokenizer(loadTokenizer(await resolveSource(options.base)));
      const report = await inspectCorpus(folder, format, tokenizer);
      if (options.json === true) return run.printJson(report);
      printReport(report, run);
    });
  withExample(command, "npx ibert data inspect data/corpus/quickstart");
}

function printReport({ manifest, counts, kinds, lengths, examples }: CorpusReport, run: Run): void {
  run.print(
    `${manifest.name}: ${manifest.dsl.name} ${manifest.dsl.version}, source ${manifest.settings.source}`,
  );
  run.print(`\nRows\n${countsTable(counts)}`);
  if (lengths !== undefined) {
    const rows = Object.entries(lengths).map(([task, { rows, mean, median, p95, max, supervisedMean }]) => [
      task,
      formatCount(rows),
      mean.toFixed(1),
      String(median),
      String(p95),
      String(max),
      supervisedMean.toFixed(1),
    ]);
    const head = ["task", "rows", "mean", "median", "p95", "max", "learned"];
    run.print(`\nTokens of training rows\n${formatTable([head, ...rows])}`);
  }
  for (const [task, own] of Object.entries(kinds)) {
    const total = Object.values(own).reduce((sum, rows) => sum + rows, 0);
    const lines = Object.entries(own).map(([kind, rows]) => [
      kind,
      formatCount(rows),
      `${((100 * rows) / total).toFixed(1)} %`,
    ]);
    run.print(`\nTraining rows of ${task} by kind\n${formatTable([["kind", "rows", "share"], ...lines])}`);
  }
  for (const [task, { prompt, completion }] of Object.entries(examples)) {
    run.print(`\n[${task}]\n${prompt}⟶${completion}`);
  }
}

interface CheckCommandOptions {
  sample?: number;
  seed: number;
  dsl: string;
  workers: number;
  json?: boolean;
}

function addCheck(data: Command, run: Run): void {
  const command = data
    .command("check")
    .description("Compute anew what a corpus says: files, shapes, splits, programs, SQL, exceptions, copies.")
    .argument("[folder]", "the corpus", defaultFolder("quickstart"))
    .option("--sample <n>", "compile only so many rows (default: all)", wholeNumber(1))
    .option("--seed <n>", "which rows", wholeNumber(0), 0)
    .addOption(dslOption())
    .addOption(workersOption())
    .option("--json", "print { checked, problems }")
    .action((folder: string, options: CheckCommandOptions) => check(folder, options, run));
  withExample(command, "npx ibert data check data/corpus/quickstart");
}

async function check(folder: string, options: CheckCommandOptions, run: Run): Promise<void> {
  const dsl = dslByName(options.dsl);
  const engine = dsl.createEngine({ workers: options.workers });
  try {
    const { sample, seed } = options;
    const result = await checkCorpus(folder, {
      engine,
      audit: dsl.rowAudit(engine),
      format: dsl.format(),
      seed,
      ...(sample === undefined ? {} : { sample }),
    });
    if (result.problems.length > 0) run.exitCode = EXIT.refused;
    if (options.json === true) return run.printJson(result);
    for (const problem of result.problems) run.print(problem);
    run.print(`${folder}: ${result.checked} rows compiled again, ${result.problems.length} problems`);
  } finally {
    await engine.close();
  }
}
