import { describe, expect, it } from "vitest";
import { binary, call, chainOf, literal, nameOf, write, type Node } from "./syntax.js";

const column = (name: string): Node => ({ kind: "column", name, ofTable: "t" });
const above = (name: string, value: number): Node => binary(">", column(name), literal(value));
const filter = (condition: Node): Node => call({ kind: "table", name: "t" }, "filter", [condition]);

describe("write", () => {
  it.each([
    ["deferred", '"', 't.filter(_.a > 3).select("a")'],
    ["attribute", "'", "t.filter(t.a > 3).select('a')"],
    ["item", '"', 't.filter(t["a"] > 3).select("a")'],
    ["deferred_item", "'", "t.filter(_['a'] > 3).select('a')"],
  ] as const)("writes %s columns", (style, quote, text) => {
    expect(write(call(filter(above("a", 3)), "select", [nameOf("a")]), { column: style, quote })).toBe(text);
  });

  it("brackets only what Python would read otherwise", () => {
    expect(write(filter(binary("|", above("a", 3), above("b", 4))))).toBe("t.filter((_.a > 3) | (_.b > 4))");
    expect(write(binary("*", binary("+", column("a"), literal(1)), literal(2)))).toBe("(_.a + 1) * 2");
    expect(write(binary("-", column("a"), binary("-", column("b"), literal(1))))).toBe("_.a - (_.b - 1)");
    expect(write(call(above("a", 3), "ifelse", [literal(1), literal(0)]))).toBe("(_.a > 3).ifelse(1, 0)");
    expect(write({ kind: "not", operand: above("a", 3) })).toBe("~(_.a > 3)");
  });

  it("never writes an attribute that the table has itself", () => {
    expect(write(column("count"), { column: "attribute", quote: "'" })).toBe("t['count']");
  });

  it("escapes quotes and backslashes of literals", () => {
    expect(write(literal('a"b\\c'))).toBe('"a\\"b\\\\c"');
  });
});

describe("chainOf", () => {
  it("lists the steps from the table outwards", () => {
    expect(chainOf(call(filter(above("a", 3)), "limit")).map(({ name }) => name)).toEqual([
      "filter",
      "limit",
    ]);
  });
});
