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
    // The process stops a query by itself; that it did not is its end.
    const timeoutMs = 10_000 + queries.length * this.limits.milliseconds;
    const answer = await this.pool.request("execute", { tables, queries, ...this.limits }, timeoutMs);
    return z.array(resultSchema).length(queries.length).parse(answer);
  }

  async close(): Promise<void> {
    await this.pool.close();
  }
}
