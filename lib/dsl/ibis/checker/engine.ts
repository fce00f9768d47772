import { readdirSync, readFileSync } from "node:fs";
import { z } from "zod";
import { IBertError } from "../../../errors.js";
import type {
  ApiEntry,
  CheckItem,
  CheckOptions,
  CutSite,
  DslEngine,
  Labelled,
  Neighbourhood,
  Schema,
  Site,
  SqlCheckOptions,
  SqlJudge,
  SqlVerdict,
  Verdict,
} from "../../dsl.js";
import { cacheDirectory } from "../../../runtime/cache.js";
import { pyodideProgram } from "../../sandbox/pyodide.js";
import { SandboxPool } from "../../sandbox/sandbox-pool.js";
import { SandboxFailure } from "../../sandbox/sandbox-process.js";
import { DEFAULT_TIMEOUT_MS, endedBy, SqlChecker } from "./sql-checker.js";
import {
  apiEntriesSchema,
  cutSitesSchema,
  labelledSchema,
  membersSchema,
  neighboursSchema,
  versionSchema,
} from "./verdict-schema.js";
import { locateWheels } from "../wheels.js";

export interface IbisEngineOptions {
  /** Sandboxed processes, about 200 MB each; they start when first needed (default 1). */
  workers?: number;
  /** Folder of the pinned wheels, in place of the package's own and the cache. */
  wheelFolder?: string;
  /** Whether processes go on from a snapshot of the loaded interpreter in the cache (default true), or load it each. */
  snapshots?: boolean;
  /** What judges DuckDB's SQL (default: DuckDB where its package is installed, else sqlglot). */
  sqlJudge?: SqlJudge;
}

// Large enough to hide the cost of a message, small enough that a text that hangs costs its neighbours little.
const BATCH = 32;
const START_ALLOWANCE_MS = 60_000;
/** Places of a file that one message asks for. */
const SITES = 400;
/** For such a message: nothing of the file is run. */
const FILE_ALLOWANCE_MS = 120_000;

/** The Python modules of the sandbox, as text. */
function pythonModules(): Record<string, string> {
  const folder = new URL("../python/", import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith(".py"));
  return Object.fromEntries(
    files.map((file) => [file.slice(0, -3), readFileSync(new URL(file, folder), "utf8")]),
  );
}

class IbisEngine implements DslEngine {
  private readonly pool: SandboxPool;
  private readonly sql: SqlChecker;

  constructor({ workers = 1, wheelFolder, snapshots = true, sqlJudge }: IbisEngineOptions) {
    this.pool = new SandboxPool(
      async () =>
        pyodideProgram({
          wheels: locateWheels(wheelFolder),
          modules: pythonModules(),
          entry: "main",
          ...(snapshots ? { snapshots: cacheDirectory("snapshots") } : {}),
        }),
      workers,
    );
    this.sql = new SqlChecker(this.pool, workers, sqlJudge);
  }

  async check(text: string, options: CheckOptions = {}): Promise<Verdict> {
    return this.one({ text }, options, false);
  }

  async label(text: string, options: CheckOptions = {}): Promise<Labelled> {
    return this.one({ text }, options, true);
  }

  async checkMany(items: readonly CheckItem[], options: CheckOptions = {}): Promise<Verdict[]> {
    return this.many(items, options, false);
  }

  async labelMany(items: readonly CheckItem[], options: CheckOptions = {}): Promise<Labelled[]> {
    return this.many(items, options, true);
  }

  async checkSql(sql: string, options: SqlCheckOptions = {}): Promise<SqlVerdict> {
    return this.sql.check(sql, options);
  }

  async neighbours(
    sql: string,
    { schema, dialect = "duckdb", slips = true }: { schema: Schema; dialect?: string; slips?: boolean },
  ): Promise<Neighbourhood | undefined> {
    try {
      const params = { sql, schema, dialect, slips };
      const answer = await this.pool.request("neighbours", params, DEFAULT_TIMEOUT_MS);
      const found = neighboursSchema.parse(answer);
      if (found === null) return undefined;
      const { tables } = await this.sql.describe(schema);
      return { ...found, tables };
    } catch (error) {
      // The text has found a hole in what reads it; that is no reason to fail.
      if (error instanceof SandboxFailure) return undefined;
      if (error instanceof IBertError && error.code === "sandbox-failed") return undefined;
      throw error;
    }
  }

  async describeApi(): Promise<ApiEntry[]> {
    return apiEntriesSchema.parse(await this.ask("describeApi"));
  }

  async membersOf(programs: readonly { text: string; schema: Schema }[]): Promise<string[][]> {
    const found: string[][] = [];
    for (let start = 0; start < programs.length; start += BATCH) {
      const items = programs.slice(start, start + BATCH);
      found.push(...membersSchema.length(items.length).parse(await this.ask("trace", { items })));
    }
    return found;
  }

  async programsAt(file: string, sites: readonly Site[]): Promise<CutSite[]> {
    const cut: CutSite[] = [];
    for (let start = 0; start < sites.length; start += SITES)
      cut.push(...(await this.cut(file, sites.slice(start, start + SITES))));
    return cut;
  }

  private async cut(file: string, sites: readonly Site[]): Promise<CutSite[]> {
    try {
      const answer = await this.pool.request("programsAt", { text: file, sites }, FILE_ALLOWANCE_MS);
      return cutSitesSchema.length(sites.length).parse(answer);
    } catch (error) {
      const ended = error instanceof SandboxFailure;
      if (!ended && !(error instanceof IBertError && error.code === "sandbox-failed")) throw error;
      return sites.map(() => ({
        reason: "its file could not be read in the sandbox",
        detail: error.message,
      }));
    }
  }

  async version(): Promise<{ name: string; version: string }> {
    return versionSchema.parse(await this.ask("version"));
  }

  async close(): Promise<void> {
    await Promise.all([this.pool.close(), this.sql.close()]);
  }

  /** What hangs on no text that anybody gave: a process that fails at it is at fault itself. */
  private async ask(method: string, params: object = {}): Promise<unknown> {
    try {
      return await this.pool.request(method, params, START_ALLOWANCE_MS);
    } catch (error) {
      if (!(error instanceof SandboxFailure)) throw error;
      throw new IBertError("sandbox-failed", `${method}: ${error.message}`, { cause: error });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async one(item: CheckItem, options: CheckOptions, label: boolean): Promise<Labelled> {
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const params = {
      text: item.text,
      schema: item.schema ?? options.schema ?? null,
      dialect: item.dialect ?? options.dialect ?? "duckdb",
      label,
    };
    try {
      return labelledSchema.parse(await this.pool.request("check", params, timeoutMs));
    } catch (error) {
      if (!(error instanceof SandboxFailure)) throw error;
      return { stage: "build", ok: false, error: endedBy(error, timeoutMs), milliseconds: timeoutMs };
    }
  }

  private async many(
    items: readonly CheckItem[],
    options: CheckOptions,
    label: boolean,
  ): Promise<Labelled[]> {
    const results = new Array<Labelled>(items.length);
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < items.length) {
        const start = next;
        next += BATCH;
        const verdicts = await this.batch(items.slice(start, start + BATCH), options, label);
        verdicts.forEach((verdict, index) => (results[start + index] = verdict));
      }
    };
    await Promise.all(Array.from({ length: this.pool.workers }, work));
    return results;
  }

  private async batch(items: CheckItem[], options: CheckOptions, label: boolean): Promise<Labelled[]> {
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const schema = options.schema ?? null;
    const dialect = options.dialect ?? "duckdb";
    const params = { items: items.map((item) => ({ schema, dialect, ...item })), label };
    try {
      const answer = await this.pool.request("checkMany", params, timeoutMs);
      return z.array(labelledSchema).length(items.length).parse(answer);
    } catch (error) {
      if (!(error instanceof SandboxFailure)) throw error;
    }
    // One of them hangs or kills the process: each again by itself, so that only that one fails.
    const verdicts: Labelled[] = [];
    for (const item of items) verdicts.push(await this.one(item, options, label));
    return verdicts;
  }
}

/**
 * The Ibis engine: real Ibis in locked-down processes. Nothing starts before the first call.
 * @throws IBertError `option-invalid`; its methods `wheel-missing`, `wheel-corrupt`, `sandbox-start`, `schema-invalid`.
 */
export function createIbisEngine(options: IbisEngineOptions = {}): DslEngine {
  return new IbisEngine(options);
}
