import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import type { STAGES } from "../../dsl.js";
import { type Schema, type SqlJudge } from "../../dsl.js";
import { duckDbBinding } from "../../duckdb/judge.js";
import { createIbisEngine } from "../index.js";

interface Statement {
  sql: string;
  ok: boolean;
  stage?: (typeof STAGES)[number];
  type?: string;
}
// scripts/goldens/sql_verdicts.py
const golden = JSON.parse(readFileSync(new URL("goldens/sql_verdicts.json", import.meta.url), "utf8")) as {
  duckdb: string;
  schema: Schema;
  statements: Statement[];
};

const engines = { duckdb: createIbisEngine(), sqlglot: createIbisEngine({ sqlJudge: "sqlglot" }) };
afterAll(() => Promise.all(Object.values(engines).map((engine) => engine.close())));

async function figures(judge: SqlJudge) {
  const wrong = { accepts: [] as string[], refusals: [] as string[], rungs: [] as string[] };
  for (const { sql, ok, stage, type } of golden.statements) {
    const verdict = await engines[judge].checkSql(sql, { schema: golden.schema });
    expect(verdict.judge, sql).toBe(judge);
    if (verdict.ok && !ok) wrong.accepts.push(sql);
    else if (!verdict.ok && ok)
      wrong.refusals.push(`${sql} (${verdict.error?.type}: ${verdict.error?.message})`);
    else if (!ok && (verdict.stage !== stage || (judge === "duckdb" && verdict.error?.type !== type))) {
      wrong.rungs.push(`${sql}: ${verdict.stage} ${verdict.error?.type}, not ${stage} ${type}`);
    }
  }
  const valid = golden.statements.filter(({ ok }) => ok).length;
  const invalid = golden.statements.length - valid;
  console.log(
    `${judge}: ${wrong.refusals.length} of ${valid} valid refused, ${wrong.accepts.length} of ${invalid} invalid accepted`,
  );
  return { ...wrong, valid, invalid };
}

describe("SQL statements, against what DuckDB's binder says", () => {
  it("are of the same engine as the one installed", () => {
    expect(duckDbBinding()?.version.split("-")[0]).toBe(golden.duckdb);
    expect(golden.statements.length).toBeGreaterThan(200);
  });

  it(
    "are judged alike by DuckDB in its process: verdict, rung and exception",
    { timeout: 600_000 },
    async () => {
      const { accepts, refusals, rungs } = await figures("duckdb");
      expect({ accepts, refusals, rungs }).toEqual({ accepts: [], refusals: [], rungs: [] });
    },
  );

  it(
    "are seldom refused wrongly by sqlglot, which cannot know all mistakes",
    { timeout: 600_000 },
    async () => {
      const { accepts, refusals, invalid } = await figures("sqlglot");
      expect(refusals).toEqual([]);
      expect(accepts.length, accepts.join("\n")).toBeLessThanOrEqual(invalid * 0.16);
    },
  );
});
