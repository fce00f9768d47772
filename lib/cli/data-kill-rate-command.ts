/** `ibert data kill-rate`. */
import { Option, type Command } from "commander";

import { corpusFolder } from "../data/corpus.js";
import { openSplit } from "../data/reader.js";
import { SPLITS, TASK_TYPES, type Split } from "../data/tasks.js";
import { dslByName } from "../dsl/registry.js";
import { IBertError } from "../errors.js";
import { EXECUTION_HINT, ExecutionJudge } from "../evaluation/execution/judge.js";
import {
  countKills,
  killsByTask,
  rowKills,
  type KillCount,
  type RowKills,
  type RowUntold,
} from "../evaluation/execution/kill-rate.js";
import { ChosenRows } from "../evaluation/metrics.js";
import { dslOption } from "./dsl-option.js";
import { formatTable } from "./format.js";
import { numberBetween, wholeNumber, withExample } from "./help.js";
import { EXIT, type Run } from "./main.js";

interface Options {
  split: Split;
  limit?: number;
  rounds: number;
  minRate?: number;
  dsl: string;
  json?: boolean;
}

export function addKillRate(data: Command, run: Run): void {
  const command = data
    .command("kill-rate")
    .description(
      "How sharp the databases are on which answers are executed: the share of near misses that they tell from right.",
    )
    .argument("[folder]", "the corpus", corpusFolder("quickstart"))
    .addOption(new Option("--split <name>", "whose rows").choices(SPLITS).default("test"))
    .option("--limit <n>", "rows in all, shared out among the tasks (default: all)", wholeNumber(1))
    .option("--rounds <n>", "sets of tables on which to look for what they miss", wholeNumber(1), 100)
    .option(
      "--min-rate <share>",
      "exit with 1 where fewer of the killable neighbours are killed",
      numberBetween(0, 1),
    )
    .addOption(dslOption())
    .option("--json", "print { all, tasks, rows }, with what is missed of each row")
    .action((folder: string, options: Options) => killRate(folder, options, run));
  withExample(command, "npx ibert data kill-rate data/corpus/quickstart --split test");
}

async function killRate(folder: string, options: Options, run: Run): Promise<void> {
  const { stderr } = run.terminal;
  const dsl = dslByName(options.dsl);
  const format = dsl.format();
  const file = await openSplit(folder, options.split);
  await using engine = dsl.createEngine({ workers: 1 });
  await using judge = ExecutionJudge.open(engine);
  try {
    if (judge === undefined) {
      throw new IBertError("not-executed", "kill-rate: DuckDB is not here", { hint: EXECUTION_HINT });
    }
    const chosen = ChosenRows.of(file, { perTask: Infinity, limit: options.limit });
    const rows: (RowKills | RowUntold)[] = [];
    const { rounds } = options;
    for (let i = 0; i < chosen.length; i++) {
      const row = chosen.at(i);
      const found = row && (await rowKills(row, { engine, format, judge, rounds }));
      if (found !== undefined) rows.push(found);
      if (stderr.isTTY === true) stderr.write(`\r\u001b[K${i + 1} of ${chosen.length} rows`);
    }
    if (stderr.isTTY === true) stderr.write("\r\u001b[K");
    const all = countKills(rows);
    if (options.minRate !== undefined && !(all.killed >= options.minRate * all.killable)) {
      run.exitCode = EXIT.refused;
    }
    const tasks = killsByTask(rows);
    if (options.json === true) return run.printJson({ all, tasks, rows });
    for (const row of rows) {
      if ("untold" in row) continue;
      for (const { kind, sql } of row.missed) run.print(`${row.id}: ${kind} is missed: ${sql}`);
    }
    const lines = TASK_TYPES.flatMap((task) => {
      const own = tasks[task];
      return own === undefined ? [] : [line(task, own)];
    });
    const head = ["task", "rows", "untold", "neighbours", "killed", "killable", "of killable", "of all"];
    run.print(formatTable([[...head, "constant"], ...lines, line("all", all)]));
    run.print(
      `killable: ${rounds} other sets of tables tell it from the row's query, or the row's own databases do; ` +
        "the rest is taken to mean the same.",
    );
  } finally {
    file.close();
  }
}

const share = (part: number, whole: number): string =>
  whole === 0 ? "–" : `${((100 * part) / whole).toFixed(1)} %`;

const line = (name: string, count: KillCount): string[] => [
  name,
  ...[count.rows, count.untold, count.neighbours, count.killed, count.killable].map(String),
  share(count.killed, count.killable),
  share(count.killed, count.neighbours),
  share(count.constantEqual, count.rows),
];
