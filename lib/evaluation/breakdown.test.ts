import { describe, expect, it } from "vitest";
import type { Row } from "../data/tasks.js";
import { breakDown, facetsOf, passRates } from "./breakdown.js";
import type { RowScore } from "./metrics.js";

const row = (completion: string, dialect?: string): Row => ({
  id: "r",
  task: "sql_to_ibis",
  split: "test",
  fields: { input: "in", ...(dialect === undefined ? {} : { dialect }) },
  completion,
  schema: {},
  schemaId: "none",
  shape: "plan:s",
  source: "test",
  licence: "Apache-2.0",
});

const score = (id: string, equal: boolean, sql: string): RowScore => ({
  id,
  task: "sql_to_ibis",
  prediction: "",
  holdsCode: true,
  passed: { parse: true, names: true, build: true, compile: true },
  exact: false,
  sqlEqual: false,
  chrF: 0,
  rougeL: 0,
  execution: {
    runs: true,
    equal,
    neighbours: 1,
    killed: 1,
    constantEqual: false,
    facets: facetsOf(row("t"), sql),
  },
});

describe("facets", () => {
  it("are what the query holds, not what its texts and names say", () => {
    const sql = `SELECT "join", COUNT(*) FROM t WHERE a = 'ORDER BY it''s' GROUP BY 1 LIMIT 3`;
    expect(facetsOf(row("t.x"), sql).feature).toEqual(["group", "limit", "filter"]);
    expect(facetsOf(row("t.x"), "SELECT a FROM t").feature).toEqual(["plain"]);
    expect(facetsOf(row("t.x"), "SELECT RANK() OVER (ORDER BY a) FROM t JOIN u USING (a)").feature).toEqual([
      "join",
      "order",
      "window",
    ]);
  });

  it("name dialect, length, split and kind", () => {
    expect(facetsOf({ ...row("x"), kind: "pandas" }, "").kind).toEqual(["pandas"]);
    expect(facetsOf(row("x"), "").kind).toEqual([]);
    expect(facetsOf(row("x".repeat(140), "mysql"), "")).toMatchObject({
      dialect: ["mysql"],
      length: ["140 and more"],
      split: ["test"],
    });
    expect(facetsOf(row("x".repeat(139)), "")).toMatchObject({ dialect: ["duckdb"], length: ["60 to 139"] });
    expect(facetsOf(row("x".repeat(59)), "").length).toEqual(["below 60"]);
  });
});

describe("breakDown", () => {
  it("counts a row with each of its features, and only rows that were executed", () => {
    const both = "SELECT a FROM t WHERE b GROUP BY a";
    const { execution, ...unmeasured } = score("4", true, both);
    expect(execution).toBeDefined();
    const scores = [score("1", true, both), score("2", false, "SELECT a FROM t WHERE b"), unmeasured];
    const shares = breakDown(scores, "feature");
    expect(shares.map(({ name, rows, accuracy }) => [name, rows, accuracy])).toEqual([
      ["filter", 2, 0.5],
      ["group", 1, 1],
    ]);
  });
});

describe("passRates", () => {
  it("are of rows, for each k that the answers suffice for", () => {
    const answers = (id: string, right: number): RowScore[] =>
      [0, 1, 2, 3, 4].map((i) => score(id, i < right, "SELECT 1"));
    const rates = passRates([...answers("1", 2), ...answers("2", 0)], 5);
    expect(rates.map(({ k }) => k)).toEqual([1, 2, 5]);
    // Of row 1: 2 of 5, then one less the share of pairs of 3 wrong ones, 3 of 10, then certain.
    expect(rates.map(({ rate }) => rate)).toEqual(
      [0.2, 0.35, 0.5].map((rate) => expect.closeTo(rate, 12) as number),
    );
    expect(passRates([], 5)).toEqual([]);
  });
});
