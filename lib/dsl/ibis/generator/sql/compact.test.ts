import { describe, expect, it } from "vitest";
import { compactSql } from "./compact.js";

const schema = { t: { a: "int64", b: "string" } };
const compact = (sql: string): string => compactSql(sql, schema);

describe("compactSql", () => {
  it("drops aliases and quotes of a single source", () => {
    expect(compact(`SELECT\n  "t0"."a"\nFROM "t" AS "t0"`)).toBe("SELECT a FROM t");
  });

  it("keeps the quotes of reserved words and the aliases of a join", () => {
    expect(compact(`SELECT "t0"."order" FROM "t" AS "t0"`)).toBe('SELECT "order" FROM t');
    expect(compact(`SELECT "t0"."show", "t0"."lambda" FROM "t" AS "t0"`)).toBe(
      'SELECT "show", "lambda" FROM t',
    );
    expect(compact(`SELECT "t2"."a" FROM "t" AS "t2" INNER JOIN "u" AS "t3" ON "t2"."a" = "t3"."a"`)).toBe(
      "SELECT t2.a FROM t AS t2 INNER JOIN u AS t3 ON t2.a = t3.a",
    );
  });

  it("keeps the aliases by which a subquery tells its columns from those around it", () => {
    const sql = "SELECT * FROM `t` AS `t2` WHERE EXISTS(SELECT 1 FROM `u` AS `t3` WHERE `t2`.`a` = `t3`.`a`)";
    expect(compactSql(sql, schema, "mysql")).toBe(
      "SELECT * FROM t AS t2 WHERE EXISTS(SELECT 1 FROM u AS t3 WHERE t2.a = t3.a)",
    );
  });

  it("keeps the quotes that another dialect needs", () => {
    expect(compactSql("SELECT `t0`.`rank`, `t0`.`a` FROM `t` AS `t0`", schema, "mysql")).toBe(
      "SELECT `rank`, a FROM t",
    );
    expect(compactSql('SELECT "t0"."a" FROM "t" AS "t0"', schema, "snowflake")).toBe('SELECT "a" FROM "t"');
    expect(compactSql("SELECT TOP 5 [t0].[a] FROM [t] AS [t0]", schema, "mssql")).toBe(
      "SELECT TOP 5 a FROM t",
    );
  });

  it("folds a filter into the aggregate around it, and a filter around an aggregate into HAVING", () => {
    const grouped = `SELECT "t1"."b", SUM("t1"."a") AS "s" FROM (
      SELECT * FROM "t" AS "t0" WHERE "t0"."a" > 3) AS "t1" GROUP BY 1`;
    expect(compact(grouped)).toBe("SELECT b, SUM(a) AS s FROM t WHERE a > 3 GROUP BY b");
    const having = `SELECT * FROM (${grouped}) AS "t2" WHERE "t2"."s" > 5 ORDER BY "t2"."s" DESC LIMIT 2`;
    expect(compact(having)).toBe(
      "SELECT b, SUM(a) AS s FROM t WHERE a > 3 GROUP BY b HAVING SUM(a) > 5 ORDER BY s DESC LIMIT 2",
    );
  });

  it("keeps a limit inside: what comes after it is about fewer rows", () => {
    const sql = `SELECT * FROM (SELECT * FROM "t" AS "t0" LIMIT 5) AS "t1" WHERE "t1"."a" > 3`;
    expect(compact(sql)).toBe("SELECT * FROM (SELECT * FROM t LIMIT 5) WHERE a > 3");
  });

  it("keeps OR together when two filters become one", () => {
    const sql = `SELECT COUNT(*) FROM (SELECT * FROM "t" AS "t0" WHERE "t0"."a" > 3 OR "t0"."a" < 1) AS "t1"
      WHERE "t1"."b" = 'x'`;
    expect(compact(sql)).toBe("SELECT COUNT(*) FROM t WHERE (a > 3 OR a < 1) AND b = 'x'");
  });

  it("writes all columns of a table as a star, but only all and in order", () => {
    expect(compact(`SELECT "t0"."a", "t0"."b", "t0"."a" + 1 AS "c" FROM "t" AS "t0"`)).toBe(
      "SELECT *, a + 1 AS c FROM t",
    );
    expect(compact(`SELECT "t0"."b", "t0"."a" FROM "t" AS "t0"`)).toBe("SELECT b, a FROM t");
    expect(compact(`SELECT "t0"."b", "t0"."a" FROM "unknown" AS "t0"`)).toBe("SELECT b, a FROM unknown");
  });

  it("keeps the names of all columns where the program names them all", () => {
    expect(compact(`SELECT "t0"."a", "t0"."b" FROM "t" AS "t0"`)).toBe("SELECT a, b FROM t");
  });

  it("merges the steps after a join into it, and a condition on one table where it keeps the rows", () => {
    const side = `(SELECT * FROM "u" AS "t1" WHERE "t1"."c" > 5) AS "t4"`;
    const joined = (how: string): string => `SELECT "t6"."b", COUNT(*) AS "n" FROM (SELECT * FROM (
      SELECT "t2"."a", "t2"."b", "t4"."c" FROM "t" AS "t2" ${how} JOIN ${side} ON "t2"."a" = "t4"."a"
      ) AS "t5" WHERE "t5"."b" = 'x') AS "t6" GROUP BY 1`;
    expect(compact(joined("INNER"))).toBe(
      "SELECT t2.b, COUNT(*) AS n FROM t AS t2 INNER JOIN u AS t4 ON t2.a = t4.a WHERE t4.c > 5 AND t2.b = 'x' GROUP BY t2.b",
    );
    expect(compact(joined("LEFT OUTER"))).toContain("ON t2.a = t4.a AND t4.c > 5 WHERE t2.b = 'x'");
    expect(compact(joined("FULL OUTER"))).toContain("(SELECT * FROM u AS t1 WHERE t1.c > 5) AS sub");
  });

  it("drops the computed name of an unnamed result", () => {
    expect(compact(`SELECT COUNT(*) AS "CountStar(t)" FROM "t" AS "t0"`)).toBe("SELECT COUNT(*) FROM t");
  });

  it("keeps names, numbers and operators whole", () => {
    const sql = `SELECT "t0"."größe" * 1.5e-3 AS "x", "t0"."b" ->> '$.k', CAST("t0"."a" AS BIGINT[]) FROM "t" AS "t0"`;
    expect(compact(sql)).toBe(`SELECT "größe" * 1.5e-3 AS x, b ->> '$.k', CAST(a AS BIGINT[]) FROM t`);
    const literals = "SELECT 'it''s  (a) , b', -1, a - 1 FROM t WHERE x IN (1, 2)";
    expect(compact(literals)).toBe(literals);
  });

  it("keeps QUALIFY behind a filter that it folds, and folds the sides of set operations", () => {
    const two = { orders: { id: "int64", k: "int64" }, users: { k: "int64", city: "string" } };
    const ranked = `SELECT * FROM (SELECT * FROM "orders" AS "t0" WHERE "t0"."k" > 1) AS "t1"
      QUALIFY RANK() OVER (ORDER BY "t1"."id" ASC) < 3`;
    expect(compactSql(ranked, two)).toBe(
      "SELECT * FROM orders WHERE k > 1 QUALIFY RANK() OVER (ORDER BY id) < 3",
    );
    const sides = `SELECT * FROM (SELECT "t0"."k" FROM "orders" AS "t0") AS "t2" UNION ALL
      SELECT * FROM (SELECT "t1"."k" FROM "users" AS "t1" WHERE "t1"."k" > 2) AS "t3"`;
    expect(compactSql(sides, two)).toBe("SELECT k FROM orders UNION ALL SELECT k FROM users WHERE k > 2");
  });
});
