import { readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { STAGES } from "../dsl.js";
import { verdictErrorSchema } from "../error-schema.js";
import type { Isolation } from "../sandbox/isolation.js";
import { SandboxPool } from "../sandbox/sandbox-pool.js";
import type { SandboxProgram } from "../sandbox/sandbox-process.js";

/** An empty table to judge against. */
export interface JudgedTable {
  /** The table's name, after its schema's where it stands in one. */
  path: string[];
  /** Name and DuckDB type of each column. */
  columns: [name: string, type: string][];
}

const judgementSchema = z.union([
  z.strictObject({ ok: z.literal(true) }),
  z.strictObject({ ok: z.literal(false), stage: z.enum(STAGES), error: verdictErrorSchema }),
  z.strictObject({ undecided: z.string() }),
]);

/** What DuckDB says of a text, or why it cannot say. */
export type Judgement = z.infer<typeof judgementSchema>;

/** Names of the platform's addon packages, the likelier first. */
function bindingPackages(): string[] {
  const name = `@duckdb/node-bindings-${process.platform}-${process.arch}`;
  if (process.platform !== "linux") return [name];
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined ? [`${name}-musl`] : [name];
}

/** Path of DuckDB's addon and the package's version, or undefined where the optional dependency is not installed. */
export function duckDbBinding(): { path: string; version: string } | undefined {
  try {
    const api = createRequire(import.meta.url).resolve("@duckdb/node-api/package.json");
    const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(api, "utf8")));
    const bindings = createRequire(api).resolve("@duckdb/node-bindings/package.json");
    const [name = ""] = bindingPackages();
    return { path: realpathSync(createRequire(bindings).resolve(`${name}/duckdb.node`)), version };
  } catch {
    return undefined;
  }
}

/** The program of a locked process that holds DuckDB: `worker.mjs` binds, `executor.mjs` executes. */
export function duckDbProgram(
  binding: string,
  isolation?: Isolation,
  script: "worker.mjs" | "executor.mjs" = "worker.mjs",
): SandboxProgram {
  const here = (name: string): string => realpathSync(fileURLToPath(new URL(name, import.meta.url)));
  return {
    name: "Node with DuckDB",
    script: here(script),
    readable: [
      ...["statement.mjs", "database.mjs", "form.mjs", "rows.mjs", "values.mjs"].map(here),
      `${dirname(binding)}/`,
    ],
    nodeOptions: ["--allow-addons"],
    config: { binding },
    ...(isolation === undefined ? {} : { isolation }),
  };
}

/** DuckDB's own binder, in locked processes that start when first asked. */
export class DuckDbJudge {
  private readonly pool: SandboxPool;

  constructor(binding: string, workers: number, isolation?: Isolation) {
    this.pool = new SandboxPool(() => Promise.resolve(duckDbProgram(binding, isolation)), workers);
  }

  /**
   * Binds one query to empty tables; without tables, any table may be there and only the rest is judged.
   * @throws SandboxFailure when the text takes too long or ends the process; IBertError `sandbox-start`
   */
  async judge(sql: string, tables: JudgedTable[] | null, timeoutMs: number): Promise<Judgement> {
    return judgementSchema.parse(await this.pool.request("judge", { sql, tables }, timeoutMs));
  }

  /** DuckDB's version. */
  async version(): Promise<string> {
    const answer = await this.pool.request("version", {}, 60_000);
    return z.object({ version: z.string() }).parse(answer).version;
  }

  async close(): Promise<void> {
    await this.pool.close();
  }
}
