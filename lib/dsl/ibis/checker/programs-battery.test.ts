import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import type { Schema, Verdict } from "../../dsl.js";
import { createIbisEngine } from "../index.js";

interface Program {
  name: string;
  schema: string;
  text: string;
  /** DuckDB's where absent. */
  dialect?: string;
  ok: boolean;
  sql?: string;
  error?: { type: string; message: string };
  /** Of an invalid program: whether it is one over any tables. */
  always?: boolean;
}
// scripts/goldens/ibis_programs.py
const golden = JSON.parse(readFileSync(new URL("goldens/programs.json", import.meta.url), "utf8")) as {
  ibis: string;
  schemas: Record<string, Schema>;
  programs: Program[];
};
const valid = golden.programs.filter(({ ok }) => ok);
const invalid = golden.programs.filter(({ ok }) => !ok);

const engine = createIbisEngine({ workers: 1 });
afterAll(() => engine.close());

const said = ({ stage, error }: Verdict): string =>
  `${stage} ${error?.type}: ${error?.message.split("\n")[0]}`;

/** SQL with the names that Ibis makes at random numbered as they come. */
function settled(sql: string): string {
  const numbers = new Map<string, number>();
  return sql.replace(/\bibis_[a-z_]+?_(?:[a-z2-7]{26}|\d+)\b/g, (name) => {
    numbers.set(name, numbers.get(name) ?? numbers.size + 1);
    return `random_${numbers.get(name)}`;
  });
}

async function judged(given: boolean) {
  const programs = given ? golden.programs : golden.programs.filter(({ ok, always }) => ok || always);
  const verdicts = await engine.checkMany(
    programs.map(({ text, schema, dialect = "duckdb" }) => ({
      text,
      dialect,
      ...(given ? { schema: golden.schemas[schema] as Schema } : {}),
    })),
  );
  const wrong = {
    accepts: [] as string[],
    refusals: [] as string[],
    /** Of those, what the sandbox does not take at all, whatever the tables hold. */
    refused: [] as string[],
    types: [] as string[],
    sql: [] as string[],
    ended: [] as string[],
  };
  programs.forEach(({ name, ok, sql, error }, index) => {
    const verdict = verdicts[index] as Verdict;
    if (/^(SandboxCrash|TimeoutError)$/.test(verdict.error?.type ?? ""))
      wrong.ended.push(`${name}: ${said(verdict)}`);
    if (verdict.ok && !ok) wrong.accepts.push(`${name}: not ${error?.type}: ${error?.message}`);
    else if (!verdict.ok && ok) {
      wrong.refusals.push(`${name}: ${said(verdict)}`);
      if (verdict.refused === true) wrong.refused.push(name);
    } else if (!verdict.ok && verdict.error?.type !== error?.type)
      wrong.types.push(`${name}: ${said(verdict)}, not ${error?.type}: ${error?.message}`);
    else if (given && verdict.ok && settled(verdict.sql ?? "") !== settled(sql ?? ""))
      wrong.sql.push(`${name}:\n${verdict.sql}\nnot\n${sql}`);
  });
  console.log(
    `${given ? "given" : "inferred"} schemas: ${wrong.refusals.length} of ${valid.length} valid refused (${wrong.refused.length} not taken at all), ` +
      `${wrong.accepts.length} of ${programs.length - valid.length} invalid accepted, ` +
      `${wrong.types.length} wrong exceptions, ${wrong.sql.length} wrong SQL`,
  );
  const lists = Object.entries(wrong).filter(([, list]) => list.length > 0);
  for (const [kind, list] of lists) console.log(`${kind}:\n  ${list.join("\n  ")}`);
  return wrong;
}

describe("Ibis programs, against what CPython's Ibis says", () => {
  it("are of the version that the sandbox runs, and are many", async () => {
    expect((await engine.version()).version).toBe(golden.ibis);
    expect(golden.programs.length).toBeGreaterThanOrEqual(300);
    expect(invalid.length).toBeGreaterThanOrEqual(80);
  });

  it("get the same verdict, exception and SQL over their schemas", { timeout: 600_000 }, async () => {
    const { accepts, refusals, types, sql, ended } = await judged(true);
    expect({ accepts, sql, ended }).toEqual({ accepts: [], sql: [], ended: [] });
    expect(refusals.length, refusals.join("\n")).toBeLessThanOrEqual(valid.length * 0.01);
    expect(types.length, types.join("\n")).toBeLessThanOrEqual(invalid.length * 0.02);
  });

  it("get the same verdict over inferred schemas", { timeout: 600_000 }, async () => {
    const { accepts, refusals, ended } = await judged(false);
    expect({ accepts, ended }).toEqual({ accepts: [], ended: [] });
    expect(refusals.length, refusals.join("\n")).toBeLessThanOrEqual(valid.length * 0.01);
  });
});
