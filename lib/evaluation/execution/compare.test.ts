import { describe, expect, it } from "vitest";
import type { ResultRows, Value } from "../../dsl/duckdb/executor.js";
import { alignments, sameRows, type ExpectedRows } from "./compare.js";

type Kind = ResultRows["columns"][number]["kind"];

const columnsOf = (kinds: readonly Kind[], names?: readonly string[]) =>
  kinds.map((kind, i) => ({ name: names?.[i] ?? `c${i}`, kind }));

const answer = (rows: Value[][], kinds: Kind[], names?: string[]): ResultRows => ({
  columns: columnsOf(kinds, names),
  rows,
});

const expected = (rows: Value[][], kinds: Kind[], more: Partial<ExpectedRows> = {}): ExpectedRows => ({
  columns: columnsOf(kinds),
  rows,
  keys: rows.map(() => []),
  offset: 0,
  limit: null,
  ...more,
});

const INTEGERS: Kind[] = ["integer"];
const column = (values: Value[]): Value[][] => values.map((value) => [value]);

describe("rows without an order", () => {
  const three = expected(column([1, 1, 2]), INTEGERS);
  it("are a multiset", () => {
    expect(sameRows(three, answer(column([2, 1, 1]), INTEGERS))).toBe(true);
    expect(sameRows(three, answer(column([2, 2, 1]), INTEGERS))).toBe(false);
    expect(sameRows(three, answer(column([1, 2]), INTEGERS))).toBe(false);
  });

  it("hold NULLs that equal each other and nothing else", () => {
    const nulls = expected(column([null, 0]), INTEGERS);
    expect(sameRows(nulls, answer(column([0, null]), INTEGERS))).toBe(true);
    expect(sameRows(nulls, answer(column([0, 0]), INTEGERS))).toBe(false);
  });

  it("under a limit may be any of them", () => {
    const two = expected(column([1, 2, 3]), INTEGERS, { limit: 2 });
    expect(sameRows(two, answer(column([3, 1]), INTEGERS))).toBe(true);
    expect(sameRows(two, answer(column([3, 3]), INTEGERS))).toBe(false);
    expect(sameRows(two, answer(column([1, 2, 3]), INTEGERS))).toBe(false);
  });
});

describe("rows with an order", () => {
  const rows: Value[][] = [
    ["a", 1],
    ["b", 2],
    ["c", 2],
    ["d", 3],
  ];
  const kinds: Kind[] = ["text", "integer"];
  const sorted = (more: Partial<ExpectedRows> = {}) =>
    expected(rows, kinds, { keys: rows.map((row) => [row[1] as Value]), ...more });
  const given = (letters: string) =>
    answer(
      [...letters].map((letter) => rows.find(([name]) => name === letter) as Value[]),
      kinds,
    );

  it("come in it, and ties in any", () => {
    expect(sameRows(sorted(), given("abcd"))).toBe(true);
    expect(sameRows(sorted(), given("acbd"))).toBe(true);
    expect(sameRows(sorted(), given("bacd"))).toBe(false);
    expect(sameRows(sorted(), given("dcba"))).toBe(false);
  });

  it("may be any of those that tie where a limit or an offset cuts", () => {
    expect(sameRows(sorted({ limit: 2 }), given("ac"))).toBe(true);
    expect(sameRows(sorted({ limit: 2 }), given("ad"))).toBe(false);
    expect(sameRows(sorted({ offset: 2 }), given("bd"))).toBe(true);
    expect(sameRows(sorted({ offset: 2, limit: 1 }), given("a"))).toBe(false);
    expect(sameRows(sorted({ offset: 9 }), given(""))).toBe(true);
  });
});

describe("values", () => {
  const one = (value: Value, kind: Kind) => expected(column([value]), [kind]);
  const is = (value: Value, kind: Kind) => answer(column([value]), [kind]);
  it("of real numbers are equal within rounding, whole numbers exactly", () => {
    expect(sameRows(one(0.1 + 0.2, "real"), is(0.3, "real"))).toBe(true);
    expect(sameRows(one(3, "integer"), is(3, "real"))).toBe(true);
    expect(sameRows(one(1e9, "integer"), is(1e9 + 1, "integer"))).toBe(false);
    expect(sameRows(one(1, "real"), is(1.00001, "real"))).toBe(false);
    expect(sameRows(one("NaN", "real"), is("NaN", "real"))).toBe(true);
  });

  it("on both sides of a rounding step are found", () => {
    const [a, b] = [1.2345675, 1.2345675 + 1e-11];
    expect(a.toPrecision(6) === b.toPrecision(6)).toBe(true);
    const [low, high] = [1.2345649999999, 1.2345650000001];
    expect(sameRows(one(low, "real"), is(high, "real"))).toBe(true);
  });

  it("of different kinds differ, but for columns of NULLs", () => {
    expect(sameRows(one("1", "text"), is(1, "integer"))).toBe(false);
    expect(sameRows(one(true, "boolean"), is(1, "integer"))).toBe(false);
    expect(sameRows(one(null, "text"), is(null, "null"))).toBe(true);
  });
});

describe("columns", () => {
  const pair = {
    ...expected([[1, 2]], ["integer", "integer"]),
    columns: columnsOf(["integer", "integer"], ["a", "b"]),
  };
  it("are matched by place, or by name where all names are the same", () => {
    expect(sameRows(pair, answer([[1, 2]], ["integer", "integer"], ["x", "y"]))).toBe(true);
    expect(sameRows(pair, answer([[2, 1]], ["integer", "integer"], ["B", "a"]))).toBe(true);
    expect(sameRows(pair, answer([[2, 1]], ["integer", "integer"], ["x", "y"]))).toBe(false);
    expect(sameRows(pair, answer([[1, 2]], ["integer", "integer"], ["b", "a"]))).toBe(false);
    expect(sameRows(pair, answer([[1]], ["integer"], ["a"]))).toBe(false);
  });

  it("come in any order where the question leaves that open, but for those whose names both have", () => {
    const open = (rows: Value[][], names: string[], kinds: Kind[] = ["integer", "integer"]): boolean => {
      const given = answer(rows, kinds, names);
      return sameRows(pair, given, alignments(pair, given, true));
    };
    expect(open([[2, 1]], ["x", "y"])).toBe(true);
    expect(open([[1, 2]], ["x", "y"])).toBe(true);
    expect(open([[2, 2]], ["x", "y"])).toBe(false);
    expect(open([[2, 1]], ["x", "a"])).toBe(true);
    expect(open([[2, 1]], ["a", "x"])).toBe(false);
    expect(open([[2, 1]], ["a", "b"])).toBe(false);
    expect(open([["2", 1]], ["x", "y"], ["text", "integer"])).toBe(false);
    const many = "abcdefgh".split("").map((name) => name);
    const wide = {
      ...pair,
      columns: columnsOf(
        many.map(() => "integer"),
        many,
      ),
      rows: [many.map((_, i) => i)],
    };
    const turned = answer(
      [many.map((_, i) => 7 - i)],
      many.map(() => "integer"),
    );
    expect(sameRows(wide, turned, alignments(wide, turned, true))).toBe(false);
  });
});
