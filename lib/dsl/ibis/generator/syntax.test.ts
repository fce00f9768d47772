import { describe, expect, it } from "vitest";
import { binary, call, chainOf, keyOf, literal, nameOf, write, type Node } from "./syntax.js";

const column = (name: string): Node => ({ kind: "column", name, ofTable: "t" });
const above = (name: string, value: number): Node => binary(">", column(name), literal(value));
const filter = (condition: Node): Node => call({ kind: "table", name: "t" }, "filter", [condition]);

describe("write", () => {
  it.each([
    ["deferred", '"', 't.filter(_.a > 3).select("a")'],
    ["attribute", "'", "t.filter(t.a > 3).select('a')"],
    ["item", '"', 't.filter(t["a"] > 3).select("a")'],
    ["deferred_item", "'", "t.filter(_['a'] > 3).select('a')"],
    ["lambda", '"', 't.filter(lambda r: r.a > 3).select("a")'],
    ["lambda_item", "'", "t.filter(lambda r: r['a'] > 3).select('a')"],
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

  it("writes a column that is no attribute as an item, and a new one in a mapping", () => {
    for (const name of ["count", "class", "net total", "2nd", "resolve", "größe", "_id"]) {
      expect(write(column(name))).toBe(`_["${name}"]`);
      expect(write(column(name), { column: "attribute", quote: "'" })).toBe(`t['${name}']`);
      const lambda = write(filter(above(name, 3)), { column: "lambda", quote: '"' });
      expect(lambda).toBe(`t.filter(lambda r: r["${name}"] > 3)`);
    }
    const named = call({ kind: "table", name: "t" }, "mutate", [], [["net total", column("a")]]);
    expect(write(named)).toBe('t.mutate(**{"net total": _.a})');
    expect(write(call({ kind: "table", name: "t" }, "agg", [], [["by", column("a")]]))).toBe(
      't.agg(**{"by": _.a})',
    );
  });

  it("writes keys as strings or as columns", () => {
    const grouped = call({ kind: "table", name: "t" }, "group_by", [keyOf({ name: "a", ofTable: "t" })]);
    const forms = (["deferred", "attribute", "item", "lambda"] as const).map((form) =>
      write(grouped, { column: form, quote: '"', keys: "column" }),
    );
    expect(forms).toEqual(["t.group_by(_.a)", "t.group_by(t.a)", 't.group_by(t["a"])', 't.group_by("a")']);
  });

  it("puts holes of a template in brackets where Python needs them", () => {
    const template = (parts: string[], ...holes: Node[]): Node => ({
      kind: "template",
      parts,
      holes,
      step: false,
      covers: [],
    });
    expect(write(template(["", ".cast(", ")"], above("a", 3), literal("int64")))).toBe(
      '(_.a > 3).cast("int64")',
    );
    expect(write(template(["", " + ", ""], literal(-5), above("a", 3)))).toBe("(-5) + (_.a > 3)");
    expect(write(template(["", ".re_search(", ")"], column("a"), literal("\\d+")))).toBe(
      '_.a.re_search(r"\\d+")',
    );
  });

  it("escapes quotes and backslashes of literals", () => {
    expect(write(literal('a"b\\c'))).toBe('"a\\"b\\\\c"');
  });
});

describe("chainOf", () => {
  it("lists the steps from the table outwards", () => {
    const steps = chainOf(call(filter(above("a", 3)), "limit"));
    expect(steps.map((step) => step.kind === "call" && step.name)).toEqual(["filter", "limit"]);
  });
});
