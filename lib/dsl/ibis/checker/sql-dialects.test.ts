import { afterAll, describe, expect, it } from "vitest";
import type { Schema } from "../../dsl.js";
import { createIbisEngine } from "../index.js";

const engine = createIbisEngine();
afterAll(() => engine.close());

const DIALECTS =
  "athena bigquery clickhouse databricks datafusion druid duckdb exasol flink impala materialize mssql mysql oracle postgres pyspark risingwave snowflake sqlite trino".split(
    " ",
  );

const schema: Schema = {
  orders: {
    id: "int64",
    a: "int64",
    G: "string",
    x: "float64",
    d: "timestamp",
    flag: "boolean",
    l: "array<int64>",
    s: "struct<x: int64, y: string>",
    m: "map<string, int64>",
  },
  customers: { id: "int64", name: "string", city: "string" },
};

const PROGRAMS = [
  "orders.head()",
  "orders.drop('a', 'x')",
  "orders.count()",
  "orders.l.unnest()",
  "orders.select('id', v=orders.l.unnest())",
  "orders.unnest('l')",
  "orders.filter(_.a > 1).select('id', 'G').limit(3)",
  "orders.group_by('G').agg(n=_.count(), m=_.x.mean(), k=_.a.sum(where=_.flag))",
  "orders.group_by(k=_.G.upper()).agg(n=_.a.max())",
  "orders.join(customers, 'id')",
  "orders.left_join(customers, orders.id == customers.id).select('a', 'name')",
  "orders.semi_join(customers, 'id')",
  "orders.anti_join(customers, 'id').select('id')",
  "orders.cross_join(customers.select('city'))",
  "orders.mutate(r=ibis.row_number().over(group_by='G', order_by=_.d))",
  "orders.select('id', 'a').union(customers.select('id', a=_.id))",
  "orders.select('id').intersect(customers.select('id'))",
  "orders.select('id').difference(customers.select('id'))",
  "orders.distinct(on='G')",
  "orders.select('id', 'G').distinct()",
  "orders.mutate(k=_.d.truncate('M')).select('k')",
  "orders.mutate(k=_.l.map(lambda v: v + 1)).select('k')",
  "orders.select(k=_.l.filter(lambda v: v > 1))",
  "orders.select(k=_.l.contains(3), n=_.l.length())",
  "orders.select(k=_.l.sums())",
  "orders.select(k=_.m['k'])",
  "orders.select(k=_.s.x + 1)",
  "customers.pivot_longer(['name', 'city'], names_to='n', values_to='v')",
  "orders.pivot_wider(id_cols='id', names_from='G', values_from='a', names=['p', 'q'])",
  "orders.select(k=ibis.cases((_.a > 1, 'x'), else_='y'))",
  "orders.filter(_.id.isin(customers.id)).select('id')",
  "orders.G.value_counts()",
  "orders.G.topk(3)",
  "orders.select(k=_.d.strftime('%Y'), n=_.d.year())",
  "orders.order_by(ibis.desc('d')).select('id')",
  "orders.mutate(b=_.a + 1).filter(_.b > 2).group_by('b').agg(n=_.count()).order_by('n')",
  "orders.select(k=_.G.split(','))",
  "ibis.range(5).unnest().name('i')",
];

describe("Ibis's own SQL", () => {
  it.each(DIALECTS)("of %s passes", { timeout: 600_000 }, async (dialect) => {
    const items = PROGRAMS.map((text) => ({ text, schema, dialect }));
    const compiled = await engine.checkMany(items);
    const again = await engine.checkMany(items);
    const refused: string[] = [];
    let count = 0;
    for (const [index, { sql, error }] of compiled.entries()) {
      expect(error?.type, PROGRAMS[index]).not.toBe("SandboxCrash");
      expect(again[index]?.sql, PROGRAMS[index]).toBe(sql);
      if (sql === undefined) continue;
      count++;
      expect(sql).not.toMatch(/ibis_\w+_[a-z2-7]{26}/);
      const verdict = await engine.checkSql(sql, { schema, dialect });
      expect(verdict.judge).toBe(dialect === "duckdb" ? "duckdb" : "sqlglot");
      if (!verdict.ok) refused.push(`${PROGRAMS[index]}: ${verdict.stage} ${verdict.error?.message}\n${sql}`);
    }
    // sqlglot cannot read back the typed ROW that it writes for Flink.
    expect(refused.length, refused.join("\n")).toBe(dialect === "flink" ? 1 : 0);
    expect(count).toBeGreaterThan(15);
  });
});

describe("names that a dialect does not take", () => {
  const odd: Schema = { raw: { "Total Amount ($)": "float64", "Qty.": "int64", "first-name": "string" } };
  it.each(["bigquery", "athena", "exasol", "postgres"])(
    "are the ones that Ibis writes, in %s",
    async (dialect) => {
      const { sql } = await engine.check("raw.order_by('Total Amount ($)').mutate(z=_['Qty.'] + 1)", {
        schema: odd,
        dialect,
      });
      expect(await engine.checkSql(sql!, { schema: odd, dialect })).toMatchObject({ ok: true });
      const other = await engine.checkSql(sql!.replaceAll("Qty", "Quy"), { schema: odd, dialect });
      expect(other).toMatchObject({ ok: false, stage: "names" });
    },
  );
});

describe("sqlglot's judgement", () => {
  it.each([
    ["mysql", "select * from nope", "names", { line: 1, column: 14, endColumn: 18 }],
    ["postgres", "select o.nope from orders o", "names", { line: 1, column: 9 }],
    ["snowflake", "select 'é',\n 'é', nope from orders", "names", { line: 2, column: 7, endColumn: 11 }],
    ["bigquery", "select id from orders where sum(a) > 1", "build", undefined],
    ["trino", "select G, a, count(*) from orders group by G", "build", { line: 1, column: 10 }],
    ["mssql", "select id from orders union select id, name from customers", "build", undefined],
    ["oracle", "select id from orders where (", "parse", undefined],
  ])("%s: %s stops at %s", async (dialect, sql, stage, position) => {
    const verdict = await engine.checkSql(sql, { schema, dialect });
    expect(verdict).toMatchObject({ ok: false, stage, judge: "sqlglot" });
    if (position !== undefined) expect(verdict.error?.position).toMatchObject(position);
  });

  it.each([
    ["mysql", "array<string>"],
    ["bigquery", "map<string, int64>"],
    ["sqlite", "struct<a: int64>"],
    ["mssql", "array<string>"],
    ["oracle", "array<int64>"],
    ["duckdb", "macaddr"],
  ])("%s lacks %s: a column that is not read does not matter", async (dialect, type) => {
    const lacking = { t: { a: "int64", tags: type } };
    const verdict = await engine.checkSql("SELECT COUNT(*) FROM t", { schema: lacking, dialect });
    expect(verdict).toMatchObject({ ok: true, stage: "compile" });
    expect((await engine.checkSql("SELECT tags FROM t", { schema: lacking, dialect })).ok).toBe(true);
    expect((await engine.checkSql("SELECT tag FROM t", { schema: lacking, dialect })).ok).toBe(false);
  });

  it("says queries of other dialects in DuckDB's SQL, which says them all but those that it knows it cannot", async () => {
    const of = async (sql: string, dialect: string): Promise<string | undefined> =>
      (await engine.checkSql(sql, { schema, dialect })).duckdb;
    expect(await of("select top 3 id from orders", "mssql")).toMatch(/^SELECT "id" FROM "orders" LIMIT 3$/);
    expect(await of('select `a` from orders where `G` = "it\'s"', "mysql")).toBe(
      `SELECT "a" FROM "orders" WHERE "G" = 'it''s'`,
    );
    expect(await of("select A from ORDERS", "snowflake")).toBe('SELECT "a" FROM "orders"');
    expect(await of("select id from orders", "duckdb")).toBeUndefined();
    expect(await of("select id from nowhere", "postgres")).toBeUndefined();
  });

  it("gives different queries different forms", async () => {
    const form = async (sql: string) =>
      (await engine.checkSql(sql, { schema, dialect: "postgres" })).canonical;
    const same = await form("select a + 1 as b from orders -- c");
    expect(same).toBeDefined();
    expect(await form('SELECT o."a"+1 AS b FROM orders o')).toBe(same);
    const pairs = [
      ["select 'a  b' from orders", "select 'a b' from orders"],
      ["select a from orders where a = a", "select a from orders"],
      ["select a from orders where a > 1 and not a > 1", "select a from orders where false"],
      ["select a - (id - 1) from orders", "select a - id - 1 from orders"],
      ["select (a + id) * 2 from orders", "select a + id * 2 from orders"],
      ["select not (a = 1 and id = 2) from orders", "select not a = 1 and id = 2 from orders"],
      ["select a from orders order by a", "select a from orders order by a desc"],
      ['select a as "X" from orders', 'select a as "x" from orders'],
    ] as const;
    for (const [one, other] of pairs) {
      expect(await form(one), one).toBeDefined();
      expect(await form(one), one).not.toBe(await form(other));
    }
  });
});
