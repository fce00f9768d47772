import { afterAll, describe, expect, it } from "vitest";
import type { Schema } from "../../dsl.js";
import { createIbisEngine } from "../index.js";

const engine = createIbisEngine();
afterAll(() => engine.close());

const schema: Schema = {
  t: { a: "int64", g: "string", d: "timestamp", x: "float64" },
  u: { a: "int64", z: "float64" },
};

describe("the ladder", () => {
  it("compiles a query to the SQL of a dialect", async () => {
    const text =
      'import ibis\nfrom ibis import _\nq = t.group_by("g").agg(n=_.x.sum())\nq.order_by(ibis.desc("n"))';
    const verdict = await engine.check(text, { schema });
    expect(verdict).toMatchObject({ stage: "compile", ok: true });
    expect(verdict.sql).toContain('SUM("t0"."x") AS "n"');
    expect(verdict.inferredSchema).toBeUndefined();
    expect((await engine.check(text, { schema, dialect: "bigquery" })).sql).toContain("SUM(`t0`.`x`)");
  });

  it.each([
    ["parse", "SyntaxError", "t.filter(", { line: 1, column: 8 }],
    ["parse", "SyntaxError", "t.limit(1)\nt.a +", { line: 2, column: 5 }],
    ["names", "NameError", "t.join(\n  nowhere, 'a')", { line: 2, column: 2 }],
    ["names", "AttributeError", "t.groupby('a')", { line: 1, column: 2 }],
    ["names", "AttributeError", "(t\n .mutate(y=_.a + 1)\n .mutate(z=_.a.upper()))", { line: 3, column: 15 }],
    ["names", "AttributeError", "t.filter(_.nope > 1)", { line: 1, column: 11 }],
    ["names", "IbisTypeError", "t.select('a', 'nope')", { line: 1, column: 2 }],
    ["build", "SignatureValidationError", "t.filter(t.g + 'x')", { line: 1, column: 2 }],
    ["build", "TypeError", "t.a.sum(1, 2, 3)", { line: 1, column: 4 }],
    ["build", "TypeError", "t.group_by('g')", { line: 1, column: 0 }],
    ["build", "TypeError", "_.a.sum()", { line: 1, column: 0 }],
  ])("stops at %s with the real %s: %s", async (stage, type, text, position) => {
    const verdict = await engine.check(text, { schema });
    expect(verdict).toMatchObject({ stage, ok: false, error: { type } });
    expect(verdict.error?.position).toMatchObject(position);
  });

  it("stops at compile where the dialect lacks the operation", async () => {
    const verdict = await engine.check("t.g.re_extract('a(b)', 1)", { schema, dialect: "mssql" });
    expect(verdict).toMatchObject({
      stage: "compile",
      ok: false,
      error: { type: "OperationNotDefinedError" },
    });
  });

  it("gives the exception's own message, the same each time", async () => {
    const once = await engine.check("t.filter(t.g + 'x')", { schema });
    const again = await engine.check("t.filter(t.g + 'x')", { schema });
    expect(once.error?.message).toContain("Expected signature: Filter(parent: Relation");
    expect(again.error).toEqual(once.error);
  });

  it("takes Ibis's own ways of speaking", async () => {
    const texts = [
      "t.mutate(s.across(s.numeric(), dict(m=_.mean(), k=lambda c: c.sum())))",
      "t.mutate(r=ibis.row_number().over(ibis.window(group_by=_.g, order_by=ibis.desc(_.d))))",
      "t.select([t[c] for c in t.columns if c != 'a'])",
      "t.join(u, [t.a == u.a], how='left').select(t.g, u.z)",
      "t.mutate(y=ibis.cases((_.a > 1, 'x'), else_=ibis.null()).name('y'), k=_.a.cast(float))",
      "t.group_by('g').having(_.count() > 1).agg(n=_.count())",
      "t.pivot_longer(s.numeric(), names_to='n', values_to='v')",
      "t[t.a > 1][['a', 'g']].distinct()",
      "t.d.truncate('M')",
      "t.group_by('g').a.sum()",
    ];
    const verdicts = await engine.checkMany(texts.map((text) => ({ text, schema })));
    expect(verdicts.map((verdict) => verdict.error)).toEqual(texts.map(() => undefined));
  });
});

describe("labels", () => {
  it("tell the result's schema", async () => {
    const label = await engine.label("t.group_by('g').agg(n=_.count(), m=_.a.mean())", { schema });
    expect(label.outputSchema).toEqual({ g: "string", n: "int64", m: "float64" });
  });

  it("hash the shape of a plan, not its names and literals", async () => {
    const hash = async (text: string) => (await engine.label(text, { schema })).planHash;
    const base = await hash("t.filter(_.a > 1).group_by('g').agg(n=_.x.sum())");
    expect(base).toMatch(/^[0-9a-f]{16}$/);
    expect(await hash("u.filter(_.a > 77).group_by('z').agg(other=_.z.sum())")).toBe(base);
    expect(await hash("t.filter(_.a < 1).group_by('g').agg(n=_.x.sum())")).not.toBe(base);
    expect(await hash("t.filter(_.a > 1).group_by('g').agg(n=_.x.mean())")).not.toBe(base);
    expect(await hash("t.group_by('g').agg(n=_.x.sum())")).not.toBe(base);
    expect(await hash("t.join(u, 'a', how='left')")).not.toBe(await hash("t.join(u, 'a')"));
  });

  it("come in the order of a batch, whatever some items do", async () => {
    const items = Array.from({ length: 70 }, (_, i) => ({
      text: i === 40 ? "t.nope" : `t.limit(${i + 1})`,
      schema,
    }));
    const labels = await engine.labelMany(items);
    expect(labels.findIndex((label) => !label.ok)).toBe(40);
    expect(labels[69]?.sql).toContain("LIMIT 70");
  });

  it("survive the collector where Ibis calls a method by name", async () => {
    // Many guesses of the schema leave many callers of `total` behind, in cycles with what they raised.
    const text =
      "t.pivot_wider(id_cols='r', names_from='g', values_from='x', values_agg='total', names=['a'])";
    const verdict = await engine.check(text);
    expect(verdict).toMatchObject({ ok: false, error: { type: "AttributeError" } });
  });

  it("lose only the item that hangs", async () => {
    const doubling = "x = t.a\n" + "x = x + x\n".repeat(60) + "x";
    const items = ["t.limit(1)", doubling, "t.limit(2)"].map((text) => ({ text, schema }));
    const labels = await engine.labelMany(items, { timeoutMs: 1500 });
    expect(labels.map((label) => label.ok)).toEqual([true, false, true]);
    expect(labels[1]?.error?.type).toBe("TimeoutError");
  });
});

describe("SQL", () => {
  it("comes to one normal form, aliases and case included", async () => {
    const one = await engine.checkSql("select a, count(*) as n from t group by a", { schema });
    const other = await engine.checkSql('SELECT "x"."a", COUNT(*) AS n FROM "t" AS "x" GROUP BY 1', {
      schema,
    });
    expect(one.ok).toBe(true);
    expect(other.canonical).toBe(one.canonical);
  });

  it("is judged alike where nobody asks for its normal form", async () => {
    for (const dialect of ["duckdb", "postgres"]) {
      for (const sql of ["select a from t", "select nope from t", "select a from t where ("]) {
        const { canonical, duckdb, ...whole } = await engine.checkSql(sql, { schema, dialect });
        expect(await engine.checkSql(sql, { schema, dialect, verdictOnly: true })).toEqual(whole);
        const executable = await engine.checkSql(sql, { schema, dialect, canonical: false });
        expect(executable).toEqual(duckdb === undefined ? whole : { ...whole, duckdb });
        expect(canonical !== undefined).toBe(whole.ok);
        expect(duckdb !== undefined).toBe(whole.ok && dialect !== "duckdb");
      }
    }
  });

  it.each([
    ["select a from t where (", "parse", "ParserException", { line: 1, column: 23 }],
    ["select 'é',\n  'é', nope from t", "names", "BinderException", { line: 2, column: 8, endColumn: 12 }],
    ["select * from nope", "names", "CatalogException", { line: 1, column: 14 }],
    ["select a from t where sum(a) > 1", "build", "BinderException", { line: 1, column: 22 }],
    ["drop table t", "parse", "TypeError", undefined],
    ["select 1; select 2", "parse", "ValueError", undefined],
  ])("%s stops at %s with %s", async (sql, stage, type, position) => {
    const verdict = await engine.checkSql(sql, { schema });
    expect(verdict).toMatchObject({ ok: false, stage, judge: "duckdb", error: { type } });
    if (position !== undefined) expect(verdict.error?.position).toMatchObject(position);
  });
});

describe("the API", () => {
  it("is described by the live package", async () => {
    const api = await engine.describeApi();
    const groupBy = api.find((entry) => entry.path === "ibis.expr.types.relations.Table.group_by");
    expect(groupBy).toMatchObject({ owner: "Table", name: "group_by" });
    expect(groupBy?.signature).toMatch(/^\(\*by: .*\) -> GroupedTable$/);
    expect(groupBy?.docstring).toContain("Create a grouped table expression.");
    const execute = api.find((entry) => entry.name === "execute" && entry.owner === "Expr");
    expect(execute?.docstring).toContain("Execute an expression");
    expect(api.find((entry) => entry.path === "ibis.desc")?.owner).toBeUndefined();
    expect(api.length).toBeGreaterThan(400);
    expect(await engine.version()).toEqual({ name: "ibis-framework", version: "12.0.0" });
  });

  it("names what has no name alike, whatever was checked before", async () => {
    const text = 'ibis.table({"a": "int64"}).unnest("a") if False else ibis.table({"a": "int64"})';
    const sql = async (): Promise<string | undefined> => (await engine.check(text, { schema: {} })).sql;
    const first = await sql();
    expect(first).toContain("unbound_table_0");
    expect(await sql()).toBe(first);
  });
});
