import { afterAll, describe, expect, it } from "vitest";
import { DuckDbExecutor } from "../../dsl/duckdb/executor.js";
import { duckDbBinding } from "../../dsl/duckdb/judge.js";
import { createIbisEngine, ibis } from "../../dsl/ibis/index.js";
import type { Row } from "../../data/tasks.js";
import { ExecutionJudge } from "./judge.js";
import { countKills, killsByTask, rowKills } from "./kill-rate.js";
import { distil, killable } from "./suite.js";
import { BATTERY, CONSTANTS, SHOP } from "./testing/battery.js";

const engine = createIbisEngine();
const judge = ExecutionJudge.open(engine) as ExecutionJudge;
const executor = new DuckDbExecutor(duckDbBinding()?.path ?? "", 1);
afterAll(() => Promise.all([judge.close(), executor.close(), engine.close()]));

/** What the judge says of an answer, which it must be able to tell. */
async function verdict(gold: string, answer: string): Promise<{ equal: boolean; reason?: string }> {
  const judged = await judge.judge(gold, answer, SHOP);
  if (typeof judged === "string") throw new Error(`${gold}: ${judged}`);
  return judged;
}

describe("execution", { timeout: 300_000 }, () => {
  it("passes no wrong answer of the battery, and the right ones", async () => {
    const [passed, refused]: [string[], string[]] = [[], []];
    let [wrong, right, constant] = [0, 0, 0];
    for (const one of BATTERY) {
      for (const sql of CONSTANTS) {
        constant++;
        if ((await verdict(one.gold, sql)).equal) passed.push(`constant: ${sql}, for ${one.gold}`);
      }
      for (const [slip, sql] of one.wrong) {
        wrong++;
        const { equal } = await verdict(one.gold, sql);
        if (equal) passed.push(`${slip}: ${sql}`);
      }
      for (const sql of one.right) {
        right++;
        const { equal, reason } = await verdict(one.gold, sql);
        if (!equal) refused.push(`${reason}: ${sql}`);
      }
    }
    expect({ wrong, right, constant }).toEqual({ wrong: 83, right: 72, constant: 231 });
    expect(passed).toEqual([]);
    expect(refused).toEqual([]);
  });

  it("takes columns in any order where the question leaves that open, the same in every database", async () => {
    const gold = "SELECT city AS place, COUNT(*) AS n, MAX(age) AS oldest FROM customers GROUP BY city";
    const judged = async (columns: string, anyOrder: boolean) => {
      const sql = `SELECT ${columns} FROM customers GROUP BY city`;
      return judge.judge(gold, sql, SHOP, { anyOrder });
    };
    const turned = "MAX(age) AS a, COUNT(*) AS b, city AS c";
    expect(await judged(turned, true)).toMatchObject({ equal: true });
    expect(await judged(turned, false)).toMatchObject({ equal: false, reason: "it gives other rows" });
    expect(await judged("MAX(age) AS n, COUNT(*) AS b, city AS c", true)).toMatchObject({ equal: false });
    expect(await judged("MIN(age) AS a, COUNT(*) AS b, city AS c", true)).toMatchObject({ equal: false });
  });

  it("tells programs of the corpus from nearly all neighbours that can be told from them", async () => {
    const source = await ibis.corpusSource(engine, { seed: 7, profile: "full" });
    const label = (text: string, schema: Record<string, Record<string, string>>) =>
      engine.label(text, { schema });
    let [killed, missed, told, constant] = [0, 0, 0, 0];
    for (let index = 0; index < 24; index++) {
      const drawn = await source.draw("ibis_to_sql", index, { heldOutSchema: false, label });
      if (!("candidate" in drawn)) continue;
      const { completion: sql, schema } = drawn.candidate;
      const query = await engine.neighbours(sql, { schema });
      const suite = query === undefined ? "unread" : await distil(query, executor, { seed: 1 });
      if (query === undefined || typeof suite === "string") continue;
      told++;
      killed += suite.killed;
      expect(suite.killed + suite.survivors.length, sql).toBe(suite.neighbours);
      missed += (await killable(query, executor, suite.survivors, { seed: 2, rounds: 60 })).length;
      const [table = ""] = Object.keys(schema);
      const judged = await judge.judge(sql, `SELECT * FROM "${table}"`, schema);
      if (typeof judged !== "string" && judged.equal) constant++;
    }
    expect(told).toBeGreaterThan(18);
    expect(killed).toBeGreaterThan(150);
    expect(killed / (killed + missed)).toBeGreaterThan(0.95);
    expect(constant).toBe(0);
  });

  it("counts among the survivors what only databases beyond the last one kept kill", async () => {
    const sql =
      "SELECT region, SUM(amount) AS total FROM orders WHERE quantity >= 5 AND amount < 90 GROUP BY region HAVING COUNT(*) > 2 ORDER BY total DESC LIMIT 3";
    const query = await engine.neighbours(sql, { schema: SHOP });
    if (query === undefined) throw new Error("it is a query");
    const [one, all] = [
      await distil(query, executor, { seed: 1, most: 1 }),
      await distil(query, executor, { seed: 1 }),
    ];
    if (typeof one === "string" || typeof all === "string") throw new Error("it can be told");
    expect(one.databases).toHaveLength(1);
    expect(one.killed).toBeLessThan(all.killed);
    expect(one.killed + one.survivors.length).toBe(one.neighbours);
  });

  it("counts for each row what its databases kill, of all and of the killable", async () => {
    const row = (id: string, completion: string): Row => ({
      ...{ id, task: "ibis_to_sql", fields: { input: "orders" }, completion, schema: SHOP },
      ...{ schemaId: "shop", split: "test", shape: "s", source: "test", licence: "Apache-2.0" },
    });
    const options = { engine, format: ibis.format(), judge, rounds: 20 };
    const rows = await Promise.all([
      rowKills(row("sharp", "SELECT region FROM orders WHERE quantity >= 5"), options),
      rowKills(row("constant", "SELECT * FROM orders"), options),
      rowKills(row("same", "SELECT * FROM orders WHERE amount > 5 AND amount IS NULL"), options),
    ]);
    expect(rows[0]).toMatchObject({ id: "sharp", constantEqual: false, missed: [] });
    expect(rows[1]).toMatchObject({ id: "constant", constantEqual: true });
    expect(rows[2]).toMatchObject({
      id: "same",
      untold: expect.stringMatching(/the same whatever/) as string,
    });
    const known = rows.filter((one) => one !== undefined);
    const all = countKills(known);
    expect(all).toMatchObject({ rows: 2, untold: 1, constantEqual: 1 });
    expect(all.killed).toBeGreaterThan(3);
    expect(all.killable).toBeGreaterThanOrEqual(all.killed);
    expect(all.neighbours).toBeGreaterThanOrEqual(all.killable);
    expect(killsByTask(known)).toEqual({ ibis_to_sql: all });
    expect(
      await rowKills({ ...row("prose", "No code."), task: "function_documentation" }, options),
    ).toBeUndefined();
  });

  it("tells queries over nested columns apart", async () => {
    const schema = {
      t: {
        id: "int64",
        tags: "array<string>",
        scores: "array<int64>",
        attributes: "map<string, string>",
        address: "struct<city: string, floor: int64>",
        payload: "json",
        opens: "time",
        seen: "timestamp('UTC')",
        token: "uuid",
        raw: "binary",
      },
    };
    const pairs = [
      ["id, len(tags) AS n", "id, len(list_distinct(tags)) AS n"],
      ["id, list_contains(tags, 'new') AS n", "id, list_contains(tags, 'old') AS n"],
      ["id, list_sum(scores) AS n", "id, list_max(scores) AS n"],
      ["id, list_filter(scores, x -> x > 7) AS n", "id, list_filter(scores, x -> x >= 7) AS n"],
      ["id, attributes['colour'] AS n", "id, attributes['size'] AS n"],
      ["id, map_contains(attributes, 'colour') AS n", "id, cardinality(attributes) > 0 AS n"],
      ["id, address.city AS n", "id, upper(address.city) AS n"],
      ["id, address.floor > 3 AS n", "id, address.floor >= 3 AS n"],
      ["id, payload ->> '$.device' AS n", "id, payload ->> '$.other' AS n"],
      ["id, payload ->> '$.device' = 'ios' AS n", "id, payload ->> '$.device' IS NOT NULL AS n"],
      ["id, opens >= '09:00:00' AS n", "id, opens > '09:00:00' AS n"],
      ["id, CAST(seen AS DATE) AS n", "id, CAST(seen + INTERVAL 1 DAY AS DATE) AS n"],
      ["id, CAST(token AS VARCHAR) AS n", "id, CAST(id AS VARCHAR) AS n"],
      ["id, octet_length(raw) AS n", "id, 2 AS n"],
    ] as const;
    const passed: string[] = [];
    for (const [right, wrong] of pairs) {
      const [gold, answer] = [`SELECT ${right} FROM t`, `SELECT ${wrong} FROM t`];
      expect(await judge.judge(gold, gold, schema), gold).toMatchObject({ equal: true });
      const judged = await judge.judge(gold, answer, schema);
      if (typeof judged === "string" || judged.equal || !judged.runs) passed.push(answer);
    }
    expect(passed).toEqual([]);
  });

  it("cannot tell anything by a query that gives the same whatever the tables hold", async () => {
    const none = "SELECT * FROM orders WHERE amount > 5 AND amount IS NULL";
    expect(await judge.judge(none, none, SHOP)).toMatch(/the same whatever/);
    const one = "SELECT SUM(amount) AS s FROM orders WHERE quantity > 5 AND quantity < 5";
    expect(await judge.judge(one, "SELECT NULL", SHOP)).toMatch(/the same whatever/);
    expect(await judge.judge("no query", "SELECT 1", SHOP)).toMatch(/cannot be read/);
    expect(await judge.judge("SELECT nothing(amount) FROM orders", "SELECT 1", SHOP)).toMatch(/does not run/);
  });

  it("refuses answers that are no query, run for ever or reach out, and judges the next", async () => {
    const gold = "SELECT city FROM customers WHERE age > 30";
    expect(await verdict(gold, gold)).toMatchObject({ equal: true });
    for (const answer of [
      "SELECT city FROM read_csv('/etc/passwd')",
      "SELECT city FROM customers WHERE age > list_sum(range(3000000000))",
      "SELECT c.city FROM customers c, range(1000000) a, range(1000000) b WHERE a.range + b.range < 0",
      "DROP TABLE customers",
      "SELECT city FROM nowhere",
    ]) {
      expect(await verdict(gold, answer), answer).toMatchObject({
        equal: false,
        reason: expect.any(String) as string,
      });
    }
    expect(await judge.judge(gold, undefined, SHOP)).toMatchObject({ equal: false });
    expect(await verdict(gold, "SELECT city FROM customers WHERE NOT age <= 30")).toMatchObject({
      equal: true,
    });
  });

  it("distils the same databases for the same query", async () => {
    const query = await engine.neighbours("SELECT region, COUNT(*) AS n FROM orders GROUP BY region", {
      schema: SHOP,
    });
    if (query === undefined) throw new Error("not read");
    const [first, second] = [
      await distil(query, executor, { seed: 1 }),
      await distil(query, executor, { seed: 1 }),
    ];
    expect(second).toEqual(first);
    expect(await distil(query, executor, { seed: 2 })).not.toEqual(first);
  });
});
