import { afterAll, describe, expect, it } from "vitest";
import type { Schema } from "../../dsl.js";
import { createIbisEngine } from "../index.js";

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
  [
    "t.mutate(d=(_.stop - _.start).cast('int64'), y=_.stop.year())",
    { t: { stop: "timestamp", start: "timestamp" } },
  ],
  ["a.union(b).filter(_.x.upper() == 'Y')", { a: { x: "string" }, b: { x: "string" } }],
  [
    "a.select('x', y=_.z + 1).union(b)",
    { a: { x: "float64", z: "float64" }, b: { x: "float64", y: "float64" } },
  ],
  [
    "orders.join(customers, orders.cid == customers.id).select(customers.name, orders.amount)",
    { orders: { cid: "int64", amount: "float64" }, customers: { id: "int64", name: "string" } },
  ],
  // Keys of joins are columns of both sides.
  [
    "t.asof_join(u, on='ts', predicates='symbol', tolerance=ibis.interval(minutes=5))",
    { t: { ts: "timestamp", symbol: "string" }, u: { ts: "timestamp", symbol: "string" } },
  ],
  ["t.join(u, ['id', ('a', 'b')])", { t: { id: "int64", a: "string" }, u: { id: "int64", b: "string" } }],
  [
    "t.join(u, 'id').filter(_.name_right == 'x')",
    { t: { id: "int64", name: "string" }, u: { id: "int64", name: "string" } },
  ],
  [
    "t.join(u, 'id', rname='{name}_u').select('n_u')",
    { t: { id: "int64", n: "int64" }, u: { id: "int64", n: "int64" } },
  ],
  // Tables of which nothing is known have a column all the same.
  ["t.topk(5)", { t: { column1: "string" } }],
  ["t.value_counts()", { t: { column1: "string" } }],
  ["t.count()", { t: { column1: "string" } }],
  ["t.fill_null(0)", { t: { column1: "float64" } }],
  ["t.select([t[c].fill_null(0) for c in t.columns])", { t: { column1: "float64" } }],
  // Selectors match something, so that what is done with the match is evaluated.
  ["t.select(s.of_type('date'))", { t: { column1: "date" } }],
  ["t.mutate(s.across(s.numeric(), _ - _.mean()))", { t: { column1: "float64" } }],
  ["t.select(s.startswith('x_') & s.endswith('_id'))", { t: { x__id: "float64" } }],
  ["t.select(s.matches(r'^(foo|bar)_\\d{2}$'))", { t: { foo_11: "float64" } }],
  ["t.select(s.index['a':'c'])", { t: { a: "string", c: "string" } }],
  ["t.select(s.index[2])", { t: { column1: "string", column2: "string", column3: "string" } }],
  [
    "t.pivot_longer(s.startswith('wk'), names_pattern=r'wk(.+)', values_to='rank')",
    { t: { wk1: "float64" } },
  ],
  // Types with parts.
  ["t.mutate(v=_.payload['a']['b'].int)", { t: { payload: "json" } }],
  ["t.mutate(v=_.m['k'], k=_.m.keys())", { t: { m: "map<string, string>" } }],
  ["t.filter(_.st.a > 1, _.st.b == 'x')", { t: { st: "struct<a: int64, b: string>" } }],
  ["t.mutate(v=_.address.geo.lat * 2)", { t: { address: "struct<geo: struct<lat: float64>>" } }],
  ["t.unpack('st').filter(_.f > 1)", { t: { st: "struct<field: string, f: int64>" } }],
  ["t.mutate(x=_.arr.map(lambda e: e.abs()))", { t: { arr: "array<float64>" } }],
  [
    "t.mutate(x=_.items.map(lambda i: i.price * i.qty))",
    { t: { items: "array<struct<price: float64, qty: int64>>" } },
  ],
  ["t.mutate(x=_.ts + ibis.interval(days=7), d=_.ts.day_of_week.full_name())", { t: { ts: "timestamp" } }],
  ["t.mutate(b=_.at.bucket(minutes=5))", { t: { at: "timestamp" } }],
  // Names that only the run knows.
  ["t.agg(**{c: _[c].sum() for c in ('p', 'q')})", { t: { p: "float64", q: "float64" } }],
  ["cols = ['a', 'b']\nt.group_by(*cols).agg(n=_.count())", { t: { a: "string", b: "string" } }],
  ["t.select([t[f'c{i}'].upper() for i in range(3)])", { t: { c0: "string", c1: "string", c2: "string" } }],
  ["orders = orders.filter(_.amount > 10)\norders.amount.sum()", { orders: { amount: "float64" } }],
  ["date.select(date.date, d=date.ts.date())", { date: { date: "date", ts: "timestamp" } }],
  ["t.filter(_['unit price'] > 1, _.größe < 2)", { t: { "unit price": "int64", größe: "int64" } }],
];

describe("a text without a schema", () => {
  it.each(INFERRED)("%s", async (text, inferredSchema) => {
    const verdict = await engine.check(text);
    expect(verdict.error).toBeUndefined();
    expect(verdict).toMatchObject({ ok: true, stage: "compile" });
    expect(verdict.inferredSchema).toEqual(inferredSchema);
    expect(verdict.dependsOnSchema).toBeUndefined();
  });

  it.each([
    ["t.frobnicate()", "names", "'Table' object has no attribute 'frobnicate'"],
    ["t.filter(_.name.uper() == 'X')", "names", "'StringColumn' object has no attribute 'uper'"],
    ["nowhere(1)", "names", "name 'nowhere' is not defined"],
    ["t.select('a').filter(_.b > 1)", "names", "'Table' object has no attribute 'b'"],
    ["t.rename(b='a').order_by('a')", "names", "Column 'a' is not found in table. Existing columns: 'b'."],
    ["t.group_by('g').agg(n=_.count()).filter(_.x > 1)", "names", "'Table' object has no attribute 'x'"],
    ["t.mutate(z=_.x.upper() + _.x.year())", "names", "'StringColumn' object has no attribute 'year'"],
    [
      "t.mutate(s.across(s.numeric(), _.rond(2)))",
      "names",
      "'FloatingColumn' object has no attribute 'rond'",
    ],
    ["t.select([t[c].foo() for c in t.columns])", "names", "'StringColumn' object has no attribute 'foo'"],
    ["t.mutate(x=_.arr.map(lambda e: e.nope()))", "names", "'StringColumn' object has no attribute 'nope'"],
    ["t.topk(5).nope()", "names", "'Table' object has no attribute 'nope'"],
    [
      "t.mutate(x=_.a.round(digits=2))",
      "build",
      /^NumericValue\.round\(\) got some positional-only arguments/,
    ],
    ["t.group_by('g')", "build", /^the text ends in a grouped table/],
    ["t.filter(_.ts.year > 2020)", "build", "'>' not supported between instances of 'method' and 'int'"],
    ["t.select(u.a)", "build", /they belong to another relation$/],
  ])("keeps the mistake in %s", async (text, stage, message) => {
    const verdict = await engine.check(text);
    expect(verdict).toMatchObject({ stage, ok: false });
    expect(verdict.error?.message).toMatch(message);
    expect(verdict.dependsOnSchema).toBeUndefined();
  });

  it("says when its guess may be what is wrong", async () => {
    expect(await engine.check("t.filter(_.x.upper() & _.y)")).toMatchObject({
      ok: false,
      dependsOnSchema: true,
    });
  });

  it("gives the same verdict each time, after a bounded number of attempts", async () => {
    const texts = [
      "t.join(u, 'id', how='sideways')",
      `t.mutate(${Array.from({ length: 40 }, (_, i) => `y${i}=_.a${i} & _.b${i}.upper()`).join(", ")})`,
      `t.mutate(${Array.from({ length: 150 }, (_, i) => `y${i}=_.a${i} + 1`).join(", ")})`,
      `t${Array.from({ length: 60 }, (_, i) => `.mutate(y${i}=_.a${i}.upper())`).join("")}`,
    ];
    // Attempts are bounded, not seconds: where they are not, no machine ends within this.
    const options = { timeoutMs: 120_000 };
    const once = await engine.checkMany(
      texts.map((text) => ({ text })),
      options,
    );
    const again = await engine.checkMany(
      texts.map((text) => ({ text })),
      options,
    );
    expect(once.map((verdict) => verdict.ok)).toEqual([false, false, true, true]);
    const timeless = (verdicts: typeof once) => verdicts.map((verdict) => ({ ...verdict, milliseconds: 0 }));
    expect(timeless(again)).toEqual(timeless(once));
  });
});
