/** How sharp the test databases of a corpus are: of each row, how many of its query's neighbours they kill. */
import { TASK_TYPES, type Row, type TaskFormat, type TaskType } from "../../data/tasks.js";
import type { DslEngine, Neighbourhood } from "../../dsl/dsl.js";
import { SandboxFailure } from "../../dsl/sandbox/sandbox-process.js";
import { constantPasses, goldQuery } from "../metrics.js";
import type { ExecutionJudge } from "./judge.js";

/** What is known of one row that execution can judge. */
export interface RowKills {
  id: string;
  task: TaskType;
  /** Neighbours of its query that DuckDB takes for queries. */
  neighbours: number;
  /** Those that its test databases tell from the query. */
  killed: number;
  /** Those that any tables were found to tell from it; the others are taken to mean the same. */
  killable: number;
  /** Killable, yet not killed. */
  missed: Neighbourhood["neighbours"];
  /** Whether the task's constant answer passes for right. */
  constantEqual: boolean;
}

/** A row of which execution can tell nothing. */
export interface RowUntold {
  id: string;
  task: TaskType;
  untold: string;
}

/** Sums over rows. */
export interface KillCount {
  rows: number;
  untold: number;
  neighbours: number;
  killed: number;
  killable: number;
  /** Rows whose constant answer passes for right. */
  constantEqual: number;
}

export interface KillOptions {
  engine: DslEngine;
  format: TaskFormat;
  judge: ExecutionJudge;
  /** Sets of tables on which to look for what the databases miss. */
  rounds: number;
}

/** @returns undefined for a row that is not judged by execution, as its prompt determines no program */
export async function rowKills(row: Row, options: KillOptions): Promise<RowKills | RowUntold | undefined> {
  const { id, task, schema } = row;
  const known = await goldQuery(row, options);
  if (known === undefined) return undefined;
  if ("fault" in known) return { id, task, untold: known.fault };
  const suite = await options.judge.suite(known.sql, schema);
  if (typeof suite === "string") return { id, task, untold: suite };
  try {
    const missed = await options.judge.missed(known.sql, schema, options.rounds);
    const { neighbours, killed } = suite;
    const constantEqual = await constantPasses(row, known.sql, options);
    return { id, task, neighbours, killed, killable: killed + missed.length, missed, constantEqual };
  } catch (error) {
    if (error instanceof SandboxFailure)
      return { id, task, untold: `execution was stopped: ${error.message}` };
    throw error;
  }
}

export function countKills(rows: readonly (RowKills | RowUntold)[]): KillCount {
  const told = rows.filter((row): row is RowKills => !("untold" in row));
  const sum = (of: (row: RowKills) => number): number => told.reduce((total, row) => total + of(row), 0);
  return {
    rows: told.length,
    untold: rows.length - told.length,
    neighbours: sum(({ neighbours }) => neighbours),
    killed: sum(({ killed }) => killed),
    killable: sum(({ killable }) => killable),
    constantEqual: sum(({ constantEqual }) => Number(constantEqual)),
  };
}

/** By task, in the order of the tasks; only tasks that have rows. */
export function killsByTask(rows: readonly (RowKills | RowUntold)[]): Partial<Record<TaskType, KillCount>> {
  return Object.fromEntries(
    TASK_TYPES.flatMap((task) => {
      const own = rows.filter((row) => row.task === task);
      return own.length === 0 ? [] : [[task, countKills(own)]];
    }),
  );
}
