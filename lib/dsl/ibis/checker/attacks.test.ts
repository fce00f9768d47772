import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Schema, Verdict } from "../../dsl.js";
import { createIbisEngine } from "../index.js";
import { EXHAUST, REACH, STATE } from "./testing/attack-texts.js";

// Hostile texts against the layers that Python itself makes: the grammar, the interpreter and the allow-list. What
// stands behind these is tried by ../sandbox/sandbox.test.ts.

const schema: Schema = {
  t: { a: "int64", g: "string", x: "float64", arr: "array<string>", st: "struct<f: int64>" },
  u: { a: "int64", z: "float64" },
};
const folder = mkdtempSync(join(tmpdir(), "ibert-attacks-"));
const SECRET = "swordfish-77231";
const secretFile = join(folder, "secret.csv");
writeFileSync(secretFile, `a,g\n1,${SECRET}\n`);
process.env.IBERT_ATTACK_SECRET = SECRET;

const engine = createIbisEngine({ workers: 1 });
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

/** Ordinary texts whose verdicts must never change, whatever ran before them in the same process. */
const CANARIES = [
  "t.group_by('g').agg(n=_.count(), m=_.x.mean()).order_by(ibis.desc('n'))",
  "t.mutate(k=ibis.greatest(_.a, 3), r=ibis.row_number().over(group_by='g')).filter(_.k > sum([1, 2]))",
  "leftover",
  "t.join(u, 'a').select('g', 'z').limit(len(list(range(5))))",
];

function outcome({ ok, stage, error, sql }: Verdict): unknown {
  return { ok, stage, error, sql };
}

/** The attacks' verdicts, each followed by a canary in the same process, which must be as it was before. */
async function attack(texts: readonly string[], timeoutMs?: number): Promise<Verdict[]> {
  const options = { schema, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  const before = (
    await engine.checkMany(
      CANARIES.map((text) => ({ text })),
      { schema },
    )
  ).map(outcome);
  expect(before.map((verdict) => (verdict as Verdict).ok)).toEqual([true, true, false, true]);
  const items = texts.flatMap((text, index) => [
    { text: text.replaceAll("@", folder) },
    { text: CANARIES[index % CANARIES.length]! },
  ]);
  const verdicts: Verdict[] = [];
  // What ends the process ends the batch with it, so the hostile ones that may go one by one.
  if (timeoutMs === undefined) verdicts.push(...(await engine.checkMany(items, options)));
  else for (const { text } of items) verdicts.push(await engine.check(text, options));
  const changed = texts.filter((_, index) => {
    const canary = outcome(verdicts[2 * index + 1]!);
    return JSON.stringify(canary) !== JSON.stringify(before[index % CANARIES.length]);
  });
  expect(changed, "texts after which another one was judged otherwise").toEqual([]);
  expect(readdirSync(folder)).toEqual(["secret.csv"]);
  expect(existsSync(secretFile)).toBe(true);
  return texts.map((_, index) => verdicts[2 * index]!);
}

function breaches(texts: readonly string[], verdicts: Verdict[]): string[] {
  return texts.filter((_, index) => {
    const verdict = verdicts[index]!;
    return verdict.ok || JSON.stringify(verdict).includes(SECRET);
  });
}

describe("texts that reach for what is outside", () => {
  it.each(Object.entries(REACH))("through %s", async (_, texts) => {
    expect(breaches(texts, await attack(texts))).toEqual([]);
  });
});

describe("texts that only say what a program would do", () => {
  it("pass, and nothing of it is done", async () => {
    const texts = [
      't.to_csv("@/out.csv")\nt.to_parquet("@/out.parquet")\nt',
      'print("x", file="@/out.txt")\nt',
      "t.cache()\nt",
      'ibis.set_backend("duckdb")\nt',
    ];
    const verdicts = await attack(texts);
    expect(verdicts.map(({ ok }) => ok)).toEqual(texts.map(() => true));
  });
});

describe("texts that would outlive themselves", () => {
  it("leave nothing to the next one", async () => {
    const verdicts = await attack(STATE);
    expect(
      verdicts.map((verdict) => JSON.stringify(verdict)).filter((text) => text.includes(SECRET)),
    ).toEqual([]);
  });
});

describe("texts that take all they can", () => {
  it("end in time, alone, in a verdict", async () => {
    const started = performance.now();
    const verdicts = await attack(EXHAUST, 3000);
    const crashed = EXHAUST.filter((_, index) => verdicts[index]!.error?.type === "SandboxCrash");
    const late = EXHAUST.filter((_, index) => verdicts[index]!.error?.type === "TimeoutError");
    console.log(
      `${EXHAUST.length} in ${Math.round(performance.now() - started)} ms; ` +
        `process ended by ${JSON.stringify(crashed)}, stopped by the clock ${JSON.stringify(late)}`,
    );
    expect(verdicts.every((verdict) => !JSON.stringify(verdict).includes(SECRET))).toBe(true);
  });
});
