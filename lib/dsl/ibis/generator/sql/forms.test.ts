import { describe, expect, it } from "vitest";
import { sqlForms } from "./forms.js";

const schema = { orders: { id: "int64", user_id: "int64" }, users: { user_id: "int64", city: "string" } };
const texts = (sql: string, dialect?: string): Record<string, string> =>
  Object.fromEntries(sqlForms(sql, schema, dialect).map(({ form, text }) => [form, text]));

describe("sqlForms", () => {
  it("writes inner joins with USING, with commas and with short names", () => {
    const found = texts(`SELECT "t2"."id", "t3"."city" FROM "orders" AS "t2" INNER JOIN "users" AS "t3"
      ON "t2"."user_id" = "t3"."user_id"`);
    expect(found).toMatchObject({
      compact: "SELECT o.id, u.city FROM orders AS o INNER JOIN users AS u ON o.user_id = u.user_id",
      "plain alias": "SELECT o.id, u.city FROM orders o JOIN users u ON o.user_id = u.user_id",
      using: "SELECT o.id, u.city FROM orders o JOIN users u USING (user_id)",
      comma: "SELECT o.id, u.city FROM orders o, users u WHERE o.user_id = u.user_id",
    });
    expect(found.lower).toMatch(/^select /);
  });

  it("writes joins that only keep rows with EXISTS and IN, never with NOT IN", () => {
    const join = (how: string): string => `SELECT "t2"."id", "t2"."user_id" FROM "orders" AS "t2" ${how} JOIN
      "users" AS "t3" ON "t2"."user_id" = "t3"."user_id"`;
    expect(texts(join("SEMI"))).toMatchObject({
      exists: "SELECT * FROM orders o WHERE EXISTS (SELECT 1 FROM users u WHERE o.user_id = u.user_id)",
      in: "SELECT * FROM orders o WHERE o.user_id IN (SELECT user_id FROM users)",
    });
    const anti = texts(join("ANTI"));
    expect(anti.exists).toContain("WHERE NOT EXISTS (SELECT 1");
    expect(anti.in).toBeUndefined();
  });

  it("names subqueries above the statement, and keeps a key that an outer join keeps apart", () => {
    const steps = `SELECT "t1"."user_id", COUNT(*) AS "n" FROM (SELECT * FROM "orders" AS "t0" WHERE "t0"."id" > 3) AS "t1"
      GROUP BY 1`;
    expect(texts(steps).cte).toBe(
      "WITH filtered AS (SELECT * FROM orders WHERE id > 3) SELECT user_id, COUNT(*) AS n FROM filtered GROUP BY 1",
    );
    const outer = `SELECT "t2"."id", "t3"."user_id" AS "other" FROM "orders" AS "t2" LEFT OUTER JOIN "users" AS "t3"
      ON "t2"."user_id" = "t3"."user_id"`;
    expect(texts(outer).using).toBeUndefined();
    expect(texts(outer.replaceAll('"', "`"), "clickhouse").lower).toBeUndefined();
  });
});
