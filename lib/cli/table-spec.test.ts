import { describe, expect, it } from "vitest";

import { tableParts } from "../dsl/table-name.js";
import { parseTable } from "./table-spec.js";

describe("a table on the command line", () => {
  it("has columns of any type", () => {
    expect(
      parseTable(
        "t(a !int64, b decimal(12, 2), c map<string, array<int64>>, d: struct<x: int64, y: array<string>>, e timestamp('UTC, or so'))",
      ),
    ).toEqual([
      "t",
      {
        a: "!int64",
        b: "decimal(12, 2)",
        c: "map<string, array<int64>>",
        d: "struct<x: int64, y: array<string>>",
        e: "timestamp('UTC, or so')",
      },
    ]);
  });

  it.each([
    ['orders("unit price" float64)', "orders", ["unit price"]],
    ["orders(größe float64, цена int64, 価格 int64)", "orders", ["größe", "цена", "価格"]],
    ["orders(`unit price` float64, [a ]] b] int64)", "orders", ["unit price", "a ] b"]],
    ['"my table"("a ""b""" string,"c,d" int64, "(" date)', "my table", ['a "b"', "c,d", "("]],
    ["sales.orders(a int64)", "sales.orders", ["a"]],
    ['lake."main db".orders ( a:int64 )', "lake.main db.orders", ["a"]],
    ['"sales.orders"(a int64)', '"sales.orders"', ["a"]],
    ["t(__proto__ int64, constructor string)", "t", ["__proto__", "constructor"]],
    ["t(\n  a int64,\n  b string\n)", "t", ["a", "b"]],
    ['t("a"int64)', "t", ["a"]],
  ])("has names as in DDL: %s", (text, table, columns) => {
    const [name, types] = parseTable(text);
    expect(name).toBe(table);
    expect(Object.keys(types)).toEqual(columns);
  });

  it("keeps apart a dot in a name and one between names", () => {
    expect(tableParts(parseTable("sales.orders(a int64)")[0])).toEqual(["sales", "orders"]);
    expect(tableParts(parseTable('"sales.orders"(a int64)')[0])).toEqual(["sales.orders"]);
  });

  it.each([
    ["", "a table's name is missing"],
    ["(a int64)", `a table's name is missing before "(a int64)"`],
    ["t", `no "(" after the table's name`],
    ["t()", `a column's name is missing before ")"`],
    ["t(a)", `column "a" has no type`],
    ["t(a int64", `no ")" at the end of the columns`],
    ["a b(c int64)", `no "(" after the table's name`],
    ["t(a int64,)", `a column's name is missing before ")"`],
    ["t(a int64) x", `something after the closing ")": "x"`],
    ["t(a int64, b array<string)", `column "b": a ")" that nothing opened`],
    ["t(a int64, b array<string", `column "b": no ">" in its type`],
    ["t(a timestamp('UTC)", `column "a": a ' without its end`],
    ['t("" int64)', "a column's name is empty"],
    ['t("a int64)', `a column's name is missing before "\\"a int64)"`],
    ["a.b.c.d(x int64)", "a.b.c.d has 4 parts, not catalog.database.table"],
    ["a.(x int64)", `a name after "a." is missing`],
  ])("%j is refused by what is wrong with it", (text, problem) => {
    expect(() => parseTable(text)).toThrow(`--table ${JSON.stringify(text)}: `);
    expect(() => parseTable(text)).toThrow(problem);
  });

  it.each([
    ["orders(a int64, b date, a string)", 'table orders: column "a" is given twice'],
    ['orders("a" int64, a string)', 'table orders: column "a" is given twice'],
    ["orders(a int64, A string)", 'table orders: columns "a" and "A" differ in case only'],
  ])("%s is refused by the repeated name", (text, problem) => {
    expect(() => parseTable(text)).toThrow(problem);
  });
});
