/** `ibert data add`. */
import type { Command } from "commander";

import { addToCorpus, type Addition } from "../data/add.js";
import { corpusFolder, readManifest } from "../data/corpus.js";
import { SPLITS, TASK_TYPES } from "../data/tasks.js";
import { dslOfPackage } from "../dsl/registry.js";
import { ExecutionJudge } from "../evaluation/execution/judge.js";
import { formatCount } from "./format.js";
import { withExample } from "./help.js";
import { EXIT, type Run } from "./main.js";
import { addSchemaOptions, schemaFrom, type SchemaOptions } from "./schema-options.js";

interface AddCommandOptions extends SchemaOptions {
  to: string;
  dryRun?: boolean;
  json?: boolean;
}

export function addAddCommand(data: Command, run: Run): void {
  const command = data
    .command("add")
    .description("Add your own pairs, as JSON lines, to a corpus: those that compile, run and are new.")
    .argument(
      "<files...>",
      'lines of {"task", "input", "completion", "schema"?, "error"?, "dialect"?, "source"?, "licence"?}',
    )
    .option("--to <folder>", "the corpus", corpusFolder("quickstart"))
    .option("--dry-run", "say what would be added, and add nothing");
  addSchemaOptions(command)
    .option("--json", "print { read, added, refused }")
    .action((files: string[], options: AddCommandOptions) => add(files, options, run));
  withExample(command, 'npx ibert data add pairs.jsonl --table "orders(region string, amount float64)"');
}

async function add(files: string[], options: AddCommandOptions, run: Run): Promise<void> {
  const schema = schemaFrom(options);
  const dsl = dslOfPackage(readManifest(options.to).dsl.name);
  const engine = dsl.createEngine({ workers: 1 });
  const judge = ExecutionJudge.open(engine);
  try {
    const addition = await addToCorpus({
      directory: options.to,
      files,
      admit: dsl.admit(engine),
      dryRun: options.dryRun === true,
      ...(schema === undefined ? {} : { schema }),
      ...(judge === undefined ? {} : { same: (...asked) => judge.judge(...asked) }),
    });
    if (addition.refused.length > 0) run.exitCode = EXIT.refused;
    if (options.json === true) return run.printJson(addition);
    print(addition, options, run);
    if (judge === undefined)
      run.note("nothing was executed: DuckDB is not installed (npm install @duckdb/node-api)");
  } finally {
    await judge?.close();
    await engine.close();
  }
}

function print({ read, added, refused }: Addition, options: AddCommandOptions, run: Run): void {
  for (const reason of refused) run.print(reason);
  const lines = SPLITS.flatMap((split) =>
    TASK_TYPES.filter((task) => added[split][task] > 0).map(
      (task) => `  ${split}: ${formatCount(added[split][task])} of ${task}`,
    ),
  );
  const does = options.dryRun === true ? "would be added" : "added";
  run.print(`${options.to}: ${read - refused.length} of ${read} rows ${does}`);
  for (const line of lines) run.print(line);
}
