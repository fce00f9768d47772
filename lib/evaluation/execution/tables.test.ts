import { expect, it } from "vitest";
import { Random } from "../../data/random.js";
import type { Neighbourhood } from "../../dsl/dsl.js";
import { TableMaker, type Profile } from "./tables.js";

const query = (tables: number, sizes: number[] = [31]): Neighbourhood => ({
  ...{ sql: "SELECT k FROM t0", ordered: "SELECT k FROM t0", keys: 0, offset: 0, limit: null, window: 0 },
  ...{ sizes, constants: [], links: [], loose: [], neighbours: [], groups: [["t0", "k"]] },
  tables: Array.from({ length: tables }, (_, i) => ({ path: [`t${i}`], columns: [["k", "BIGINT"]] })),
});
const plenty: Profile = { rows: 200, nulls: 0, exact: 0, near: 0, fresh: 0.1, again: 0.3 };

it("tables of joins of four and more are small enough that their joins are, also with runs of rows", () => {
  const sizes = (tables: number, profile: Profile): number[] =>
    new TableMaker(query(tables)).make(Random.of(1), profile).map(({ rows }) => rows.length);
  expect(sizes(3, plenty)).toEqual([200, 200, 200]);
  expect(sizes(3, { ...plenty, runs: true }).every((rows) => rows > 90)).toBe(true);
  for (const tables of [4, 5, 8]) {
    for (const rows of sizes(tables, plenty)) expect(rows).toBeLessThan(40);
    const large = sizes(tables, { ...plenty, runs: true }).filter((rows) => rows > 90);
    expect(large).toHaveLength(1);
  }
});

it("counts that are compared with 1 ask for no group of no rows", () => {
  for (const groups of [false, true]) {
    const profile = { ...plenty, runs: true, groups };
    const [table] = new TableMaker(query(1, [1])).make(Random.of(2), profile);
    expect(table?.rows.length).toBeGreaterThan(6);
  }
});
