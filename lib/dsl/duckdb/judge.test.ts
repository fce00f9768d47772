import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { SandboxFailure } from "../sandbox/sandbox-process.js";
import { duckDbBinding, DuckDbJudge, type JudgedTable } from "./judge.js";

const binding = duckDbBinding()?.path ?? "";
const judge = new DuckDbJudge(binding, 1);
// As on a system that can give the process no empty network and no limits.
const bare = new DuckDbJudge(binding, 1, { prefix: [], network: false, limits: false });
const folder = mkdtempSync(join(tmpdir(), "ibert-duckdb-"));
afterAll(async () => {
  await Promise.all([judge.close(), bare.close()]);
  rmSync(folder, { recursive: true });
});

const tables: JudgedTable[] = [{ path: ["t"], columns: [["a", "BIGINT"]] }];
const file = join(folder, "file");

/** `ok`, the error's type and message, or how the process ended. */
async function attack(sql: string, target = judge, timeoutMs = 5000): Promise<string> {
  try {
    const judgement = await target.judge(sql, tables, timeoutMs);
    if ("undecided" in judgement) return "undecided";
    return judgement.ok ? "ok" : `${judgement.error.type}: ${judgement.error.message}`;
  } catch (error) {
    if (error instanceof SandboxFailure) return error.kind;
    throw error;
  }
}

describe("SQL that reaches for the host", () => {
  const texts = [
    "select * from read_csv('/etc/passwd')",
    "select * from read_csv(['/etc/passwd'], auto_detect = true)",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_json('/etc/passwd')",
    "select * from read_parquet('/etc/passwd')",
    "select * from parquet_metadata('/etc/passwd')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from glob('/etc/*')",
    "select * from '/etc/passwd'",
    "select * from '/etc/passwd.csv'",
    `from "/etc/hosts.csv"`,
    "select * from 'https://127.0.0.1/x.parquet'",
    "select (select count(*) from read_csv('/etc/passwd'))",
    "with x as (from read_text('/etc/hostname')) select * from x",
    "pivot (from read_csv('/etc/passwd')) on column0 using count(*)",
    "select getenv('HOME')",
    "select current_setting('home_directory')",
    "select 1 limit current_setting('secret_directory')",
    `select "current_setting"('threads')`,
    "select main.current_setting('threads')",
    "from duckdb_settings()",
    "select * from duckdb_secrets()",
    "select * from pragma_database_list()",
    `copy t to '${file}'`,
    `copy (select 1) to '${file}' (format csv)`,
    `export database '${file}'`,
    "import database '/etc'",
    `attach '${file}'`,
    "install httpfs",
    "load httpfs",
    "load 'x.duckdb_extension'",
    "set threads = 8",
    "set lock_configuration = false",
    "reset all",
    "pragma enable_profiling",
    "pragma threads = 8",
    "call pragma_version()",
    "checkpoint",
    "create table x as select 1",
    "create secret s (type http)",
    "prepare p as select 1",
    "select 1; set threads = 8",
    `select 1;; copy t to '${file}'`,
    `select 1 /* ; */ ; copy t to '${file}'`,
    "with x as (select 1) delete from t",
    "explain analyze select * from read_csv('/etc/passwd')",
  ];
  it.each([
    ["in its system's isolation", judge],
    ["without it", bare],
  ])("is refused, %s", { timeout: 300_000 }, async (_name, target) => {
    for (const sql of texts) {
      const answer = await attack(sql, target);
      expect(answer, sql).toMatch(/^(\w+Exception|TypeError|ValueError): /);
      expect(answer, sql).not.toMatch(/root:|\/root|\.duckdb/);
    }
    expect(existsSync(file)).toBe(false);
    expect(await attack("select a from t", target)).toBe("ok");
  });
});

describe("SQL that would eat the machine", () => {
  const deep = (open: string, core: string, close: string, times: number) =>
    `select ${open.repeat(times)}${core}${close.repeat(times)}`;
  it.each([
    ["a table function's huge constant", "select * from range(0, list_sum(range(3000000000))::bigint)"],
    ["a huge limit", "select a from t limit list_sum(range(3000000000))"],
    ["a huge string", "select repeat('x', 100000000000)"],
    ["a huge series", "select * from generate_series(1, 1000000000000)"],
    ["a pivot over a huge series", "pivot (from range(1000000000000)) on range using count(*)"],
    ["brackets", deep("(", "1", ")", 40_000)],
    ["lists", deep("[", "1", "]", 40_000)],
    ["subqueries", deep("(select ", "1", ")", 5_000)],
    ["case", deep("case when true then ", "1", " end", 3_000)],
    ["not", `select ${"not ".repeat(20_000)}true`],
    ["sums", `select 1${" + 1".repeat(20_000)}`],
    [
      "common tables",
      `with ${Array.from({ length: 25 }, (_, i) => `c${i} as (select * from ${i === 0 ? "t" : `c${i - 1} x, c${i - 1} y`})`).join(", ")} select count(*) from c24`,
    ],
    ["unions", `select 1${" union select 1".repeat(6_000)}`],
    ["a regular expression", `select regexp_matches('${"a".repeat(30)}', '(a+)+$')`],
  ])("%s ends, and the next text is judged", { timeout: 300_000 }, async (_name, sql) => {
    const answer = await attack(sql, judge, 3000);
    expect(answer).toMatch(/^(ok|undecided|timeout|crash|\w+: )/);
    expect(await attack("select a from t")).toBe("ok");
    expect(await attack("select b from t")).toContain("BinderException");
  });

  it("leaves nothing behind for the next text", async () => {
    expect(
      await judge.judge("select q from left_over", [{ path: ["left_over"], columns: [["q", "INT"]] }], 5000),
    ).toEqual({ ok: true });
    expect(await attack("select q from left_over")).toContain("CatalogException");
  });

  it("without a schema judges what hangs on no table", async () => {
    expect(await judge.judge("select x from anything", null, 5000)).toEqual({ ok: true });
    expect(await judge.judge("select nope(1)", null, 5000)).toMatchObject({ ok: false, stage: "names" });
    expect(await judge.judge("select from where", null, 5000)).toMatchObject({ ok: false, stage: "parse" });
  });
});
