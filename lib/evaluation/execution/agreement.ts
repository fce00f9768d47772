/** Whether two queries that are said to be the same give the same rows, on a few databases made for the first. */
import type { ExecuteAll, GiveTheSame } from "../../data/source.js";
import { DuckDbExecutor, EXECUTION_LIMITS, type ExecutionLimits } from "../../dsl/duckdb/executor.js";
import { duckDbBinding } from "../../dsl/duckdb/judge.js";
import type { DslEngine } from "../../dsl/dsl.js";
import { SandboxFailure } from "../../dsl/sandbox/sandbox-process.js";
import { sameRows } from "./compare.js";
import { distilFor } from "./suite.js";
import { tryAll } from "./trial.js";

const SEED = 1;
/** What is built of the answers must not hang on how busy the machine is. */
const PATIENT: ExecutionLimits = { ...EXECUTION_LIMITS, milliseconds: 60_000 };
/** Sets of tables to try: pairs are told to agree, so that few will do. */
const ROUNDS = 8;
const ANSWERS_KEPT = 256;

/**
 * As `ExecutionJudge`, without neighbours: it takes a tenth of the time, and finds queries that differ rather than all
 * answers that are nearly right.
 */
export class Agreement implements AsyncDisposable {
  /** The latest last. */
  private readonly answers = new Map<string, ReturnType<GiveTheSame>>();

  private constructor(
    private readonly engine: DslEngine,
    private readonly executor: DuckDbExecutor,
  ) {}

  /** Its process starts when it is first asked; undefined where DuckDB is not installed. */
  static open(engine: DslEngine, { workers = 1 }: { workers?: number } = {}): Agreement | undefined {
    const binding = duckDbBinding();
    return binding && new Agreement(engine, new DuckDbExecutor(binding.path, workers, PATIENT));
  }

  readonly executeAll: ExecuteAll = async (known, others, schema) => {
    const query = await this.engine.neighbours(known, { schema, slips: false });
    if (query === undefined) return "it cannot be read";
    try {
      return await tryAll(query, others, this.executor);
    } catch (error) {
      if (error instanceof SandboxFailure) return `its execution was stopped: ${error.message}`;
      throw error;
    }
  };

  /** A pair is asked about once for each direction in which it is a row. */
  readonly same: GiveTheSame = (known, other, schema) => {
    const key = JSON.stringify([known, other, schema]);
    const asked = this.answers.get(key) ?? this.ask(known, other, schema);
    this.answers.delete(key);
    this.answers.set(key, asked);
    const [oldest] = this.answers.keys();
    if (this.answers.size > ANSWERS_KEPT && oldest !== undefined) this.answers.delete(oldest);
    return asked;
  };

  private readonly ask: GiveTheSame = async (known, other, schema) => {
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
