/** `ibert data process`. */
import { join } from "node:path";

import type { Command } from "commander";

import { processFound, REFUSED, ROWS, type Processed } from "../data/mine/process.js";
import { TASK_TYPES } from "../data/tasks.js";
import { dslByName } from "../dsl/registry.js";
import { Agreement } from "../evaluation/execution/agreement.js";
import { dslOption } from "./dsl-option.js";
import { formatCount, formatTable } from "./format.js";
import { withExample } from "./help.js";
import { interruptible } from "./interruptible.js";
import type { Run } from "./main.js";
import { progressLine } from "./progress-line.js";
import { workersOption } from "./workers-option.js";

interface ProcessCommandOptions {
  dsl: string;
  workers: number;
  json?: boolean;
}

export function addProcessCommand(data: Command, run: Run): void {
  const command = data
    .command("process")
    .description(
      "Make rows of what `ibert data mine` found: programs cut out with what they need, that compile and run.",
    )
    .argument("[folder]", "what was mined, in which rows.jsonl and refused.jsonl go", join("data", "repo"))
    .addOption(dslOption())
    .addOption(workersOption())
    .option("--json", "print { found, of, kept, rows, refused }")
    .action((folder: string, options: ProcessCommandOptions) => processCommand(folder, options, run));
  withExample(command, "npx ibert data process data/repo");
}

async function processCommand(folder: string, options: ProcessCommandOptions, run: Run): Promise<void> {
  const { workers } = options;
  const dsl = dslByName(options.dsl);
  const engine = dsl.createEngine({ workers });
  const agreement = Agreement.open(engine, { workers });
  try {
    await interruptible(run, `${folder} is as it was before`, async (signal) => {
      const processed = await processFound({
        folder,
        signal,
        makeRows: dsl.makeRows(engine, agreement?.executeAll),
        admit: dsl.admit(engine),
        ...(agreement === undefined ? {} : { same: agreement.same }),
        ...(options.json === true ? {} : { onProgress: progressLine(run, progressText) }),
      });
      if (options.json === true) return run.printJson(processed);
      print(processed, folder, run);
      if (agreement === undefined)
        run.note("nothing was executed: DuckDB is not installed (npm install @duckdb/node-api)");
    });
  } finally {
    await agreement?.close();
    await engine.close();
  }
}

const rowsOf = ({ rows }: Processed): number => TASK_TYPES.reduce((sum, task) => sum + (rows[task] ?? 0), 0);

const progressText = (processed: Processed): string =>
  `${formatCount(processed.found)} of ${formatCount(processed.of)} matches, ${formatCount(rowsOf(processed))} rows`;

function print(processed: Processed, folder: string, run: Run): void {
  const { found, kept, rows, refused } = processed;
  const tasks = TASK_TYPES.filter((task) => rows[task] !== undefined);
  if (tasks.length > 0) {
    run.print(formatTable([["task", "rows"], ...tasks.map((task) => [task, formatCount(rows[task] ?? 0)])]));
    run.print("");
  }
  const reasons = Object.entries(refused).map(([reason, count]) => [reason, formatCount(count)]);
  if (reasons.length > 0) run.print(`${formatTable([["refused", "matches"], ...reasons])}\n`);
  run.print(
    `${join(folder, ROWS)}: ${formatCount(rowsOf(processed))} rows of ${formatCount(kept)} of ${formatCount(found)} matches`,
  );
  run.print(`${join(folder, REFUSED)}: why the others gave none`);
}
