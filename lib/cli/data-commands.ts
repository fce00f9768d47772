/** `ibert data build|inspect|check|coverage|kill-rate|add|mine|process`. */
import { basename } from "node:path";

import type { Command } from "commander";

import { buildCorpus, type CorpusProgress } from "../data/build.js";
import { checkCorpus, type CorpusCheck } from "../data/check.js";
import { DATA_CONFIGS, OWN_SHARE, readDataConfig, type DataConfig } from "../data/config.js";
import { corpusFolder, splitCounts } from "../data/corpus.js";
import { openMinedRows } from "../data/mine/rows.js";
import type { Naturalness } from "../data/naturalness.js";
import { inspectCorpus, type CorpusReport } from "../data/inspect.js";
import { readOwnTables } from "../data/own-tables.js";
import type { Draw, GiveTheSame, SourceOptions } from "../data/source.js";
import { SPLITS, TASK_TYPES } from "../data/tasks.js";
import { DEFAULT_DSL } from "../dsl/declared.js";
import type { Dsl } from "../dsl/definition.js";
import type { DslEngine } from "../dsl/dsl.js";
import { dslByName } from "../dsl/registry.js";
import { Agreement } from "../evaluation/execution/agreement.js";
import { segmentTokenizer } from "../evaluation/evaluate.js";
import { resolveSource } from "../models/sources.js";
import { loadTokenizer } from "../models/load-tokenizer.js";
import { addAddCommand } from "./data-add-command.js";
import { addCoverage } from "./data-coverage-command.js";
import { addKillRate } from "./data-kill-rate-command.js";
import { addMineCommand } from "./data-mine-command.js";
import { addProcessCommand } from "./data-process-command.js";
import { dslOption } from "./dsl-option.js";
import { formatCount, formatDuration, formatPercent, formatTable } from "./format.js";
import { wholeNumber, withExample } from "./help.js";
import { EXIT, type Run } from "./main.js";
import { workersOption } from "./workers-option.js";

interface BuildOptions {
  config: string;
  rows?: number;
  seed?: number;
  output?: string;
  tables?: string;
  workers: number;
  json?: boolean;
}

export function addDataCommands(program: Command, run: Run): void {
  const data = program
    .command("data")
    .description(
      "Corpora: build, inspect, check, add, mine, process, how much of the API they reach, how sharply they are judged.",
    );
  addBuild(data, run);
  addInspect(data, run);
  addCheck(data, run);
  addCoverage(data, run);
  addKillRate(data, run);
  addAddCommand(data, run);
  addMineCommand(data, run);
  addProcessCommand(data, run);
}

/** `quickstart` of `configs/data/quickstart.yaml`. */
const nameOf = (config: string): string => basename(config).replace(/\.ya?ml$/, "");

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
    .option("--tables <file>", "your own tables, in YAML or JSON, over which most of the programs are to be")
    .addOption(workersOption())
    .option("--json", "print the manifest")
    .action((options: BuildOptions) => build(options, run));
  withExample(
    command,
    "npx ibert data build --config quickstart",
    "npx ibert data build --config full --rows 100000 --output data/corpus/large",
    "npx ibert data build --config full --tables warehouse.yaml --output data/corpus/warehouse",
  );
}

async function build(options: BuildOptions, run: Run): Promise<void> {
  const config = readDataConfig(options.config);
  const { dsl: name, profile, evaluation, taskWeights } = config;
  const directory = options.output ?? corpusFolder(nameOf(options.config));
  const seed = options.seed ?? config.seed;
  const rows = splitCounts({ train: options.rows ?? config.rows, evaluation }, taskWeights);
  const { workers } = options;
  const own = ownTables(config, options.tables);
  const dsl = dslByName(name);
  const engine = dsl.createEngine({ workers });
  const agreement = Agreement.open(engine, { workers });
  const onProgress = options.json === true ? undefined : progressPrinter(run);
  try {
    const source = await dsl.corpusSource(engine, {
      seed,
      profile,
      ...(agreement === undefined ? {} : { execute: agreement.executeAll }),
      ...(own === undefined ? {} : { own }),
    });
    if (options.json !== true) for (const remark of source.remarks ?? []) run.print(remark);
    const human = config.human ? () => humanDraws(dsl, engine, options, run) : undefined;
    const mined = config.mined === undefined ? undefined : await openMinedRows(config.mined);
    const { manifest, reused } = await buildCorpus(
      { directory, seed, rows },
      {
        engine,
        source,
        workers,
        ...(human === undefined ? {} : { human }),
        ...(mined && {
          mined: {
            sha256: mined.sha256,
            draws: () => mined.draws(dsl.admit(engine), agreement?.same),
          },
        }),
        ...(onProgress === undefined ? {} : { onProgress }),
      },
    );
    if (options.json === true) return run.printJson({ directory, reused, manifest });
    run.print(`${directory}: ${reused ? "is there already, unchanged" : "built"}`);
    run.print(countsTable(manifest.counts));
    run.print(`${manifest.refused} candidates refused, ${manifest.duplicates} duplicates left out`);
  } finally {
    await agreement?.close();
    await engine.close();
  }
}

/** The tables of the option, else of the configuration. */
function ownTables({ tables }: DataConfig, file = tables?.file): SourceOptions["own"] {
  return file === undefined ? undefined : { tables: readOwnTables(file), share: tables?.share ?? OWN_SHARE };
}

/** Rows of human origin that pass the gates, executed on data of their own where DuckDB is here. */
async function humanDraws(
  dsl: Dsl,
  engine: DslEngine,
  { workers, json }: BuildOptions,
  run: Run,
): Promise<Draw[]> {
  const { rows, left } = await dsl.humanRows();
  if (json !== true)
    run.note(`executing ${formatCount(rows.length)} rows of human origin, which takes a minute or more`);
  const agreement = Agreement.open(engine, { workers });
  // Where nothing can be told, they are the same: tests of the package itself hold that.
  const same: GiveTheSame | undefined =
    agreement &&
    (async (...asked) => {
      const judged = await agreement.same(...asked);
      return typeof judged === "string" ? { equal: true, runs: true } : judged;
    });
  try {
    const admitted = await dsl.admit(engine)(rows, same);
    return [...left.map((refusal): Draw => ({ refusal })), ...admitted];
  } finally {
    await agreement?.close();
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
  const left = rate > 0 ? `, ${formatDuration((rowsWanted - rows) / rate)} left` : "";
  return (
    `${task}: ${formatCount(accepted)} of ${formatCount(wanted)} rows, ${formatCount(refused)} refused in all; ` +
    `${formatCount(rows)} of ${formatCount(rowsWanted)}, ${rate.toFixed(0)} rows/s${left}`
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
    .argument("[folder]", "the corpus", corpusFolder("quickstart"))
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
    .argument("[folder]", "the corpus", corpusFolder("quickstart"))
    .option("--sample <n>", "compile only so many rows (default: all)", wholeNumber(1))
    .option("--seed <n>", "which rows", wholeNumber(0), 0)
    .addOption(dslOption())
    .addOption(workersOption())
    .option("--json", "print { checked, problems, naturalness }")
    .action((folder: string, options: CheckCommandOptions) => check(folder, options, run));
  withExample(command, "npx ibert data check data/corpus/quickstart");
}

async function check(folder: string, options: CheckCommandOptions, run: Run): Promise<void> {
  const dsl = dslByName(options.dsl);
  const engine = dsl.createEngine({ workers: options.workers });
  const agreement = Agreement.open(engine);
  try {
    const { sample, seed } = options;
    const result = await checkCorpus(folder, {
      engine,
      audit: dsl.rowAudit(engine, agreement?.same),
      format: dsl.format(),
      textForms: (row) => dsl.textForms(row),
      seed,
      ...(sample === undefined ? {} : { sample }),
    });
    if (result.problems.length > 0) run.exitCode = EXIT.refused;
    if (options.json === true) return run.printJson(result);
    for (const problem of result.problems) run.print(problem);
    run.print(naturalnessTable(result.naturalness));
    run.print(`${folder}: ${result.checked} rows compiled again, ${result.problems.length} problems`);
  } finally {
    await agreement?.close();
    await engine.close();
  }
}

/** Lengths, vocabularies and shares of forms, training rows beside those of human origin. */
function naturalnessTable(naturalness: CorpusCheck["naturalness"]): string {
  return Object.entries(naturalness)
    .map(([language, groups]) => {
      const own = Object.entries(groups);
      const line = (name: string, of: (numbers: Naturalness) => string): string[] => [
        name,
        ...own.map(([, numbers]) => of(numbers)),
      ];
      const forms = [...new Set(own.flatMap(([, { forms }]) => Object.keys(forms)))].sort();
      return formatTable([
        [language, ...own.map(([group]) => group)],
        line("texts", ({ texts }) => formatCount(texts)),
        line("characters, mean", ({ meanLength }) => meanLength.toFixed(0)),
        line("characters, median", ({ medianLength }) => formatCount(medianLength)),
        line("different words", ({ vocabulary }) => formatCount(vocabulary)),
        line("different words a 1,000", ({ vocabulary, words }) => ((1000 * vocabulary) / words).toFixed(1)),
        ...forms.map((form) => line(form, (numbers) => formatPercent(numbers.forms[form] ?? 0))),
      ]);
    })
    .join("\n\n");
}
