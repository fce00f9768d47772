import { z } from "zod";
import type { Isolation } from "../sandbox/isolation.js";
import { SandboxPool } from "../sandbox/sandbox-pool.js";
import { duckDbProgram, type JudgedTable } from "./judge.js";

/** A table with its rows, each value a literal of SQL. */
export interface FilledTable extends JudgedTable {
  rows: string[][];
}

const resultSchema = z.union([
  z.strictObject({
    columns: z.array(
      z.strictObject({
        name: z.string(),
        kind: z.enum(["integer", "real", "boolean", "text", "time", "null"]),
      }),
    ),
    rows: z.array(z.array(z.union([z.number(), z.string(), z.boolean(), z.null()]))),
  }),
  z.strictObject({ error: z.string() }),
]);

/** What a query gives, or why it gives nothing. Times are microseconds since 1970, what JSON cannot hold is text. */
export type QueryResult = z.infer<typeof resultSchema>;
export type ResultRows = Exclude<QueryResult, { error: string }>;
export type Value = ResultRows["rows"][number][number];

export interface ExecutionLimits {
  /** Of one query. */
  milliseconds: number;
  /** More rows are an error. */
  mostRows: number;
}

export const EXECUTION_LIMITS: ExecutionLimits = { milliseconds: 1000, mostRows: 20_000 };

/** DuckDB on small tables, in locked processes that start when first asked. */
export class DuckDbExecutor {
  private readonly pool: SandboxPool;

  constructor(
    binding: string,
    workers: number,
    private readonly limits: ExecutionLimits = EXECUTION_LIMITS,
    isolation?: Isolation,
  ) {
    this.pool = new SandboxPool(
      () => Promise.resolve(duckDbProgram(binding, isolation, "executor.mjs")),
      workers,
    );
  }

  /**
   * The result of each query, whatever its text does.
   * @throws SandboxFailure when the process ends or will not stop; IBertError `sandbox-start`
   */
  async execute(tables: readonly FilledTable[], queries: readonly string[]): Promise<QueryResult[]> {
    const [results] = await this.executeOnEach([tables], queries);
    return results as QueryResult[];
  }

  /**
   * The results of each query on each of several sets of the same tables with other rows, in less time than one set after
   * the other: tables are made, and queries prepared, once.
   * @throws SandboxFailure, IBertError as `execute`
   */
  async executeOnEach(
    sets: readonly (readonly FilledTable[])[],
    queries: readonly string[],
  ): Promise<QueryResult[][]> {
    const tables = (sets[0] ?? []).map(({ path, columns }) => ({ path, columns }));
    const databases = sets.map((set) => set.map(({ rows }) => rows));
    // The process stops a query by itself; that it did not is its end.
    const timeoutMs = 10_000 + sets.length * queries.length * this.limits.milliseconds;
    const params = { tables, databases, queries, ...this.limits };
    const answer = await this.pool.request("execute", params, timeoutMs);
    return z.array(z.array(resultSchema).length(queries.length)).length(sets.length).parse(answer);
  }

  async close(): Promise<void> {
    await this.pool.close();
  }
}
