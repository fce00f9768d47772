import { IBertError } from "../../../errors.js";
import type { Schema, SqlCheckOptions, SqlJudge, SqlVerdict, VerdictError } from "../../dsl.js";
import { duckDbBinding, DuckDbJudge, type Judgement } from "../../duckdb/judge.js";
import type { SandboxPool } from "../../sandbox/sandbox-pool.js";
import { SandboxFailure } from "../../sandbox/sandbox-process.js";
import { tableParts } from "../../table-name.js";
import { duckDbTablesSchema, sqlAnswerSchema, type DuckDbTables, type SqlAnswer } from "./verdict-schema.js";

export const DEFAULT_TIMEOUT_MS = 10_000;

/** A corpus speaks of few schemas at a time. */
const TABLES_KEPT = 256;

/** What a verdict says when the process, not the text's own exception, ended the check. */
export function endedBy(failure: SandboxFailure, timeoutMs: number): VerdictError {
  return failure.kind === "timeout"
    ? { type: "TimeoutError", message: `the check took longer than ${timeoutMs} ms and was stopped` }
    : { type: "SandboxCrash", message: `the check was stopped: ${failure.message}` };
}

/** Judges SQL: DuckDB's by its own binder where that is installed, all other by sqlglot. */
export class SqlChecker {
  private readonly duckDb: DuckDbJudge | undefined;
  private readonly tables = new Map<string, Promise<DuckDbTables>>();
  /** Set when DuckDB is installed but does not start here. */
  private broken = false;

  /**
   * `python` holds sqlglot; `judge` as IbisEngineOptions.sqlJudge.
   * @throws IBertError `duckdb-missing` when DuckDB is asked for and not installed
   */
  constructor(
    private readonly python: SandboxPool,
    workers: number,
    private readonly judge: SqlJudge | undefined,
  ) {
    const binding = judge === "sqlglot" ? undefined : duckDbBinding();
    if (judge === "duckdb" && binding === undefined) {
      throw new IBertError(
        "duckdb-missing",
        "DuckDB is not installed, which this engine is to judge SQL with",
        {
          hint: "install it with: npm install @duckdb/node-api",
        },
      );
    }
    if (binding !== undefined) this.duckDb = new DuckDbJudge(binding.path, workers);
  }

  /** Whatever the text does, the answer is a verdict. @throws IBertError `schema-invalid`, `dialect-unknown` */
  async check(sql: string, options: SqlCheckOptions): Promise<SqlVerdict> {
    const { dialect = "duckdb", schema, verdictOnly = false, canonical = true } = options;
    if (/\p{Surrogate}/u.test(sql)) {
      const message = "the SQL holds half of a surrogate pair, which no encoding can express";
      return { ok: false, stage: "parse", judge: "sqlglot", error: { type: "UnicodeEncodeError", message } };
    }
    const asked = dialect === "duckdb" ? this.askDuckDb(sql, schema) : undefined;
    if (verdictOnly) {
      const judgement = await asked;
      if (judgement === undefined)
        return sqlglotVerdict(await this.askSqlglot(sql, dialect, schema, "verdict"));
      return judgement.ok
        ? { ok: true, stage: "compile", judge: "duckdb" }
        : { ...judgement, judge: "duckdb" };
    }
    const wanted = canonical ? "canonical" : "duckdb";
    const [answer, judgement] = await Promise.all([this.askSqlglot(sql, dialect, schema, wanted), asked]);
    if (judgement === undefined) return sqlglotVerdict(answer);
    if (!judgement.ok) return { ...judgement, judge: "duckdb" };
    const verdict: SqlVerdict = { ok: true, stage: "compile", judge: "duckdb" };
    if (answer.canonical !== undefined) verdict.canonical = answer.canonical;
    return verdict;
  }

  async close(): Promise<void> {
    await this.duckDb?.close();
  }

  private async askSqlglot(
    sql: string,
    dialect: string,
    schema: Schema | undefined,
    wanted: "verdict" | "duckdb" | "canonical",
  ): Promise<SqlAnswer> {
    try {
      const params = { sql, schema: schema ?? null, dialect, wanted };
      return sqlAnswerSchema.parse(await this.python.request("checkSql", params, DEFAULT_TIMEOUT_MS));
    } catch (error) {
      if (!(error instanceof SandboxFailure)) throw error;
      return { ok: false, stage: "build", error: endedBy(error, DEFAULT_TIMEOUT_MS) };
    }
  }

  /** DuckDB's judgement, or undefined where it has none. */
  private async askDuckDb(
    sql: string,
    schema: Schema | undefined,
  ): Promise<Exclude<Judgement, { undecided: string }> | undefined> {
    if (this.duckDb === undefined || this.broken) return undefined;
    // The judge has one catalog, its own.
    if (Object.keys(schema ?? {}).some((table) => tableParts(table).length > 2)) return undefined;
    const described = schema === undefined ? undefined : await this.describe(schema);
    try {
      const judgement = await this.duckDb.judge(sql, described?.tables ?? null, DEFAULT_TIMEOUT_MS);
      if ("undecided" in judgement) return undefined;
      // A column that DuckDB cannot have is bound as one of no type, which suits not every use of it.
      const doubtful = !judgement.ok && judgement.stage !== "parse";
      if (doubtful && described?.lacking.some((column) => mentions(sql, column)) === true) return undefined;
      return judgement;
    } catch (error) {
      if (error instanceof SandboxFailure) {
        return { ok: false, stage: "build", error: endedBy(error, DEFAULT_TIMEOUT_MS) };
      }
      if (!(error instanceof IBertError) || error.code !== "sandbox-start" || this.judge === "duckdb")
        throw error;
      this.broken = true;
      return undefined;
    }
  }

  /** The tables of a schema as DuckDB makes them. */
  describe(schema: Schema): Promise<DuckDbTables> {
    const key = JSON.stringify(schema);
    let tables = this.tables.get(key);
    if (tables === undefined) {
      tables = this.python
        .request("duckdbTables", { schema }, DEFAULT_TIMEOUT_MS)
        .then((answer) => duckDbTablesSchema.parse(answer));
      this.tables.set(key, tables);
      tables.catch(() => this.tables.delete(key));
      const [oldest] = this.tables.keys();
      if (this.tables.size > TABLES_KEPT && oldest !== undefined) this.tables.delete(oldest);
    }
    return tables;
  }
}

const mentions = (sql: string, column: string): boolean => sql.toLowerCase().includes(column.toLowerCase());

function sqlglotVerdict({ canonical, duckdb, ...answer }: SqlAnswer): SqlVerdict {
  const verdict: SqlVerdict = { ...answer, judge: "sqlglot" };
  if (answer.ok && canonical !== undefined) verdict.canonical = canonical;
  if (answer.ok && duckdb !== undefined) verdict.duckdb = duckdb;
  return verdict;
}
