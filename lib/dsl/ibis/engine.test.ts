import { afterAll, describe, expect, it } from "vitest";
import type { Schema } from "../dsl.js";
import { createIbisEngine } from "./index.js";

const engine = createIbisEngine();
afterAll(() => engine.close());

const schema: Schema = {
  orders: { id: "int64", region: "string", price: "float64", placed: "timestamp" },
  regions: { region: "string", manager: "string" },
};

describe("the ladder", () => {
  it("compiles a query to SQL", async () => {
    const text = 'orders.group_by("region").agg(total=_.price.sum()).order_by(ibis.desc("total"))';
    const verdict = await engine.check(text, { schema });
    expect(verdict).toMatchObject({ stage: "compile", ok: true });
    expect(verdict.sql).toContain('SUM("t0"."price") AS "total"');
    expect(verdict.inferredSchema).toBeUndefined();
  });
});
