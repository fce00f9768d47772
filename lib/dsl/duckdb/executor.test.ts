import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, describe, expect, it } from "vitest";

import { temporaryFolder } from "../../formats/testing/temporary.js";
import { DuckDbExecutor, type FilledTable } from "./executor.js";
import { duckDbBinding } from "./judge.js";

const executor = new DuckDbExecutor(duckDbBinding()?.path ?? "", 1, { milliseconds: 500, mostRows: 1000 });
afterAll(() => executor.close());

const t: FilledTable = {
  path: ["t"],
  columns: [
    ["a", "BIGINT"],
    ["s", "VARCHAR"],
  ],
  rows: [
    ["1", "'x'"],
    ["NULL", "'more than twelve letters, ünïcode'"],
  ],
};

const one = async (sql: string, tables: FilledTable[] = [t]) => (await executor.execute(tables, [sql]))[0];

describe("execution", () => {
  it("gives values of every type", async () => {
    expect(await one("select a, s, sum(a) over () as total from t")).toEqual({
      columns: [
        { name: "a", kind: "integer" },
        { name: "s", kind: "text" },
        { name: "total", kind: "integer" },
      ],
      rows: [
        [1, "x", 1],
        [null, "more than twelve letters, ünïcode", 1],
      ],
    });
    const kinds: [sql: string, kind: string, value: unknown][] = [
      ["1::tinyint", "integer", 1],
      ["-2::smallint", "integer", -2],
      ["4000000000::uinteger", "integer", 4_000_000_000],
      ["-5::hugeint", "integer", -5],
      ["1.5::float", "real", 1.5],
      ["'nan'::double", "real", "NaN"],
      ["-12.34::decimal(4, 2)", "real", -12.34],
      ["12345.67::decimal(9, 2)", "real", 12_345.67],
      ["-12.5::decimal(18, 1)", "real", -12.5],
      ["12.5::decimal(38, 1)", "real", 12.5],
      ["true", "boolean", true],
      ["date '1970-01-02'", "time", 86_400e6],
      ["timestamp '1970-01-01 00:00:01'", "time", 1e6],
      ["timestamp_s '1970-01-01 00:00:01'", "time", 1e6],
      ["timestamp_ns '1970-01-01 00:00:01'", "time", 1e6],
      ["[1, 2]", "text", "[1, 2]"],
      ["{'k': 'v'}", "text", "{'k': v}"],
      ["interval 1 day", "text", "1 day"],
      ["null", "null", null],
    ];
    const results = await executor.execute(
      [t],
      kinds.map(([sql]) => `select ${sql} as v; -- end`),
    );
    for (const [i, [sql, kind, value]] of kinds.entries()) {
      expect(results[i], sql).toEqual({
        columns: [{ name: "v", kind: sql === "null" ? "integer" : kind }],
        rows: [[value]],
      });
    }
  });

  it("reads more rows than one chunk has, up to the limit", async () => {
    expect(await one("select count(*) as n from range(100000)")).toMatchObject({ rows: [[100_000]] });
    const result = await one("select range as r from range(1000) order by r desc");
    expect(result !== undefined && "rows" in result && result.rows.map(([r]) => r)).toEqual(
      Array.from({ length: 1000 }, (_, i) => 999 - i),
    );
    expect(await one("select * from range(1000000000000)")).toEqual({
      error: "Unknown: more than 1000 rows",
    });
  });

  it("stops what takes too long or too much, and goes on with the next", async () => {
    const results = await executor.execute(
      [t],
      [
        "select count(*) from range(1000000) x, range(1000000) y where x.range + y.range < 0",
        "select list_sum(range(3000000000))",
        "select a from t where a = 1",
      ],
    );
    expect(results[0]).toEqual({ error: "TimeoutError: it took longer than 500 ms" });
    expect(results[1]).toHaveProperty("error");
    expect(results[2]).toEqual({ columns: [{ name: "a", kind: "integer" }], rows: [[1]] });
  });

  it("reaches nothing but its tables, and changes none", async () => {
    const [read, written] = ["read.csv", "written"].map((name) => join(temporaryFolder(), name)) as [
      string,
      string,
    ];
    writeFileSync(read, "a,b\n1,2\n");
    const texts = [
      `select * from read_csv('${read}')`,
      `copy t to '${written}'`,
      "select getenv('HOME')",
      "insert into t values (2, 'y')",
      "drop table t",
      `attach '${written}'`,
      "select 1; select 2",
      "with x as (select 1) delete from t",
    ];
    for (const [i, result] of (await executor.execute([t], texts)).entries()) {
      expect(result, texts[i]).toEqual({ error: expect.any(String) as string });
    }
    expect(existsSync(written)).toBe(false);
    expect(await one("select count(*) as n from t")).toMatchObject({ rows: [[2]] });
  });

  it("takes other tables, in schemas too", async () => {
    const other: FilledTable = { path: ["shop", "t"], columns: [["b", "DATE"]], rows: [["'2020-01-01'"]] };
    expect(await one("select a from t", [other])).toHaveProperty("error");
    expect(await one("select year(b) as y from shop.t", [other])).toMatchObject({ rows: [[2020]] });
    expect(await one("select a from t where a is not null")).toMatchObject({ rows: [[1]] });
    expect(await one("select 1", [{ ...other, rows: [["'no date'"]] }])).toEqual({
      error: expect.stringMatching(/^the tables: .*no date/) as string,
    });
    expect(await one("select count(*) as n from t")).toMatchObject({ rows: [[2]] });
  });

  it("gives on each set of rows what it gives on that set alone, whether values are appended or inserted", async () => {
    const plain: [type: string, literals: string[]][] = [
      ["BIGINT", ["-3", "9007199254740991"]],
      ["UTINYINT", ["0", "255"]],
      ["DOUBLE", ["0.1", "-1.5"]],
      ["DECIMAL(9, 2)", ["2.345", "-7"]],
      ["VARCHAR", ["'it''s'", "''"]],
      ["BOOLEAN", ["true", "false"]],
      ["DATE", ["'2020-02-29'", "'1969-12-31'"]],
      ["TIMESTAMP", ["'2020-01-01 10:20:30'", "'2021-06-15 00:00:00'"]],
    ];
    const columns = plain.map(([type], i): [string, string] => [`c${i}`, type]);
    const [first, second] = [0, 1].map((at) => plain.map(([, literals]) => literals[at] ?? ""));
    const nulls = plain.map(() => "NULL");
    const table = (...rows: string[][]): FilledTable[] => [{ path: ["t"], columns, rows }];
    const sets = [table(first ?? [], nulls), table(second ?? []), table()];
    const queries = [
      "select * from t",
      "select c9 from t",
      "select [c0, 1] as l, count(*) over () as n from t where c0 / 0 is null",
      "pivot (select c5 as k, c0 as v from t) on k using sum(v)",
    ];
    const each = await executor.executeOnEach(sets, queries);
    const inserted = { path: ["u"], columns: [["l", "BIGINT[]"] as [string, string]], rows: [["[1]"]] };
    for (const [i, set] of sets.entries()) {
      expect(each[i], `set ${i}`).toEqual(await executor.execute(set, queries));
      // A table of nested columns beside it goes by INSERT; so do the rows where their literals are casts.
      const casts = set.map((one) => ({
        ...one,
        rows: one.rows.map((row) => row.map((literal, c) => `CAST(${literal} AS ${plain[c]?.[0]})`)),
      }));
      expect((await executor.execute([...casts, inserted], queries))[0]).toEqual(each[i]?.[0]);
    }
    expect(each.map(([all]) => (all !== undefined && "rows" in all ? all.rows.length : -1))).toEqual([
      2, 1, 0,
    ]);
  });
});
