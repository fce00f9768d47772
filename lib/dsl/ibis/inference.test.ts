import { afterAll, describe, expect, it } from "vitest";
import type { Schema } from "../dsl.js";
import { createIbisEngine } from "./index.js";

const engine = createIbisEngine();
afterAll(() => engine.close());

const INFERRED: [string, Schema][] = [
  ["df.group_by('category').agg(total=_.price.sum())", { df: { category: "string", price: "float64" } }],
  [
    "t.filter(_.a > 3, _.g.like('x%')).mutate(y=_.d.year())",
    { t: { a: "int64", g: "string", d: "timestamp" } },
  ],
  ["t.filter(t.active & (t.age > 18)).count()", { t: { active: "boolean", age: "int64" } }],
  ["t.mutate(full=t.first + ' ' + t.last)", { t: { first: "string", last: "string" } }],
  ["t.filter(_.at >= '2024-01-01')", { t: { at: "timestamp" } }],
  ["t.mutate(r=_.x / _.y).filter(_.r > 1.5).order_by('r')", { t: { x: "float64", y: "float64" } }],
  ["t.mutate(lambda r: (r.a * 2).name('k')).k.max()", { t: { a: "float64" } }],
  ["t.tags.unnest()", { t: { tags: "array<string>" } }],
  // Ibis complains about the first guess here, and the guess is revised.
  [
    "t.mutate(d=(_.stop - _.start).cast('int64'), y=_.stop.year())",
    { t: { stop: "timestamp", start: "timestamp" } },
  ],
  ["a.union(b).filter(_.x.upper() == 'Y')", { a: { x: "string" }, b: { x: "string" } }],
  [
    "orders.join(customers, orders.cid == customers.id).select(customers.name, orders.amount)",
    { orders: { cid: "string", amount: "string" }, customers: { id: "string", name: "string" } },
  ],
];

describe("a text without a schema", () => {
  it.each(INFERRED)("%s", async (text, inferredSchema) => {
    expect(await engine.check(text)).toMatchObject({ ok: true, stage: "compile", inferredSchema });
  });

  it.each([
    ["t.frobnicate()", "'Table' object has no attribute 'frobnicate'"],
    ["t.filter(_.name.uper() == 'X')", "'StringColumn' object has no attribute 'uper'"],
    ["nowhere(1)", "name 'nowhere' is not defined"],
  ])("keeps the mistake in %s", async (text, message) => {
    expect(await engine.check(text)).toMatchObject({ stage: "names", ok: false, error: { message } });
  });
});
