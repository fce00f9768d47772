/** Whether two queries that are said to be the same give the same rows, on a few databases made for the first. */
import type { GiveTheSame } from "../../data/source.js";
import { DuckDbExecutor } from "../../dsl/duckdb/executor.js";
import { duckDbBinding } from "../../dsl/duckdb/judge.js";
import type { DslEngine } from "../../dsl/dsl.js";
import { SandboxFailure } from "../../dsl/sandbox/sandbox-process.js";
import { sameRows } from "./compare.js";
import { distilFor } from "./suite.js";

const SEED = 1;
/** Sets of tables to try: pairs are told to agree, so that few will do. */
const ROUNDS = 8;

/**
 * As `ExecutionJudge`, without neighbours: it takes a tenth of the time, and finds queries that differ rather than all
 * answers that are nearly right.
 */
export class Agreement implements AsyncDisposable {
  private constructor(
    private readonly engine: DslEngine,
    private readonly executor: DuckDbExecutor,
  ) {}

  /** Its process starts when it is first asked; undefined where DuckDB is not installed. */
  static open(engine: DslEngine): Agreement | undefined {
    const binding = duckDbBinding();
    return binding && new Agreement(engine, new DuckDbExecutor(binding.path, 1));
  }

  readonly same: GiveTheSame = async (known, other, schema) => {
    const { engine, executor } = this;
    const how = { seed: SEED, rounds: ROUNDS, hasNeighbours: false };
    const suite = await distilFor(known, schema, { engine, executor }, how);
    if (typeof suite === "string") return suite;
    try {
      for (const { tables, expected } of suite.databases) {
        const [result] = await this.executor.execute(tables, [other]);
        if (result === undefined || "error" in result)
          // A query that takes too long may be right.
          return /^TimeoutError/.test(result?.error ?? "")
            ? `the other query: ${result?.error}`
            : { equal: false, runs: false, reason: result?.error ?? "it gives nothing" };
        if (!sameRows(expected, result)) return { equal: false, runs: true, reason: "it gives other rows" };
      }
      return { equal: true, runs: true };
    } catch (error) {
      if (error instanceof SandboxFailure) return `the query's execution was stopped: ${error.message}`;
      throw error;
    }
  };

  async close(): Promise<void> {
    await this.executor.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
