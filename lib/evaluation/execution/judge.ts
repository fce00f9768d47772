/** Judges answers by execution: an answer is right where it gives what the known query gives, on every test database. */
import { isDeepStrictEqual } from "node:util";

import { DuckDbExecutor } from "../../dsl/duckdb/executor.js";
import { duckDbBinding } from "../../dsl/duckdb/judge.js";
import type { DslEngine, Schema } from "../../dsl/dsl.js";
import { SandboxFailure } from "../../dsl/sandbox/sandbox-process.js";
import { alignments, sameUnder, type Alignment } from "./compare.js";
import { distilFor, killable, type TestSuite } from "./suite.js";

export interface ExecutionJudgement {
  /** It gives rows, whichever, on every database that it was asked about. */
  runs: boolean;
  equal: boolean;
  /** How the answer gave itself away. */
  reason?: string;
  /** Neighbours of the known query, and how many of them the databases tell from it. */
  neighbours: number;
  killed: number;
}

/** What execution asks for, said where there was none. */
export const EXECUTION_HINT =
  "It is where DuckDB is installed (npm install @duckdb/node-api) and prompts determine what programs give.";

/** How sharp the databases are, said of a share of neighbours that are told from the completions. */
export const describeKilled = (share: string): string =>
  `tell ${share} of all their neighbours from them, of which some mean the same; ` +
  "`ibert data kill-rate` gives the share of those that can be told";

/** Rows of a corpus whose databases are kept; each takes some ten kilobytes, seldom a few hundred. */
const SUITES_KEPT = 512;
const SEED = 1;

type Fault = Required<Pick<ExecutionJudgement, "runs" | "reason">>;

const NO_QUERY: Fault = { runs: false, reason: "the answer holds no query" };

type Kept = Promise<TestSuite | string>;

/**
 * Test-suite execution accuracy (Zhong et al., 2020) of single answers. Databases are distilled for each known query, which
 * takes some tenths of a second; those of the last 512 are kept.
 * @example
 * ```ts
 * import { createEngine, ExecutionJudge } from "ibert";
 *
 * await using engine = createEngine("ibis");
 * await using judge = ExecutionJudge.open(engine); // undefined where DuckDB is not installed
 * const schema = { orders: { region: "string", amount: "float64" } };
 * const gold = "SELECT region FROM orders WHERE amount > 100";
 * const judgement = await judge?.judge(gold, "SELECT region FROM orders WHERE amount >= 100", schema);
 * if (typeof judgement === "object") console.log(judgement.equal, judgement.reason); // false, "it gives other rows"
 * ```
 */
export class ExecutionJudge implements AsyncDisposable {
  private readonly suites = new Map<string, Kept>();

  private constructor(
    private readonly engine: DslEngine,
    private readonly executor: DuckDbExecutor,
  ) {}

  /** A judge whose processes start when it is first asked; undefined where DuckDB is not installed. */
  static open(engine: DslEngine, { workers = 1 }: { workers?: number } = {}): ExecutionJudge | undefined {
    const binding = duckDbBinding();
    return binding && new ExecutionJudge(engine, new DuckDbExecutor(binding.path, workers));
  }

  /**
   * The databases of a query, or why nothing can be told by it.
   * @internal
   */
  suite(sql: string, schema: Schema): Promise<TestSuite | string> {
    const key = JSON.stringify([sql, schema]);
    let kept = this.suites.get(key);
    // The one used last is the newest.
    this.suites.delete(key);
    kept ??= this.distil(sql, schema);
    this.suites.set(key, kept);
    kept.catch(() => this.suites.delete(key));
    const [oldest] = this.suites.keys();
    if (this.suites.size > SUITES_KEPT && oldest !== undefined) this.suites.delete(oldest);
    return kept;
  }

  /**
   * Judges DuckDB's SQL of an answer by that of the known query. An answer that compiles to nothing is given as undefined.
   * With `anyOrder` columns whose names are not the known query's may come in any order, the same in all databases.
   * @returns why it cannot be told, as a text, where no answer could be
   */
  async judge(
    gold: string,
    answer: string | undefined,
    schema: Schema,
    { anyOrder = false }: { anyOrder?: boolean } = {},
  ): Promise<ExecutionJudgement | string> {
    const suite = await this.suite(gold, schema);
    if (typeof suite === "string") return suite;
    const { neighbours, killed } = suite;
    const found = answer === undefined ? NO_QUERY : await this.fault(suite, answer, anyOrder);
    return { equal: found === undefined, ...(found ?? { runs: true }), neighbours, killed };
  }

  /**
   * Those neighbours of a query that its databases do not tell from it, though some tables do. They are sought on `rounds`
   * sets of tables that the distillation has not tried; what is left is taken to mean the same as the query.
   * @throws SandboxFailure
   * @internal
   */
  async missed(sql: string, schema: Schema, rounds: number): Promise<TestSuite["survivors"]> {
    const suite = await this.suite(sql, schema);
    if (typeof suite === "string" || suite.survivors.length === 0) return [];
    const query = await this.engine.neighbours(sql, { schema, slips: false });
    if (query === undefined) return [];
    return killable(query, this.executor, suite.survivors, { seed: SEED + 1, rounds });
  }

  private async fault(suite: TestSuite, answer: string, anyOrder: boolean): Promise<Fault | undefined> {
    let columns: readonly Alignment[] | undefined;
    for (const { tables, expected } of suite.databases) {
      try {
        const [result] = await this.executor.execute(tables, [answer]);
        if (result === undefined || "error" in result) {
          return { runs: false, reason: result?.error ?? "it gives nothing" };
        }
        const possible = alignments(expected, result, anyOrder);
        columns = (columns ?? possible).filter(
          (one) =>
            possible.some((other) => isDeepStrictEqual(one, other)) && sameUnder(one, expected, result),
        );
        if (columns.length === 0) return { runs: true, reason: "it gives other rows" };
      } catch (error) {
        if (!(error instanceof SandboxFailure)) throw error;
        return { runs: false, reason: `its execution was stopped: ${error.message}` };
      }
    }
    return undefined;
  }

  private distil(sql: string, schema: Schema): Kept {
    const { engine, executor } = this;
    return distilFor(sql, schema, { engine, executor }, { seed: SEED });
  }

  async close(): Promise<void> {
    await this.executor.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
