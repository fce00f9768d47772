import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Schema } from "../../dsl.js";
import { createIbisEngine } from "../index.js";
import { ENDLESS, IDIOMS, NESTED } from "./testing/idiom-attacks.js";

const schema: Schema = { t: { a: "int64", g: "string", x: "float64" }, u: { a: "int64" } };
const folder = mkdtempSync(join(tmpdir(), "ibert-idioms-"));
const SECRET = "swordfish-40417";
writeFileSync(join(folder, "secret.csv"), `a\n${SECRET}\n`);

const engine = createIbisEngine({ workers: 1 });
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

const CANARY = "t.filter(_.a > sum([1, 2])).select(c for c in ['a', 'g'])";

describe("texts that reach out through forms of Python", () => {
  it.each(Object.entries(IDIOMS))("by %s", { timeout: 600_000 }, async (_title, texts) => {
    const before = await engine.check(CANARY, { schema });
    expect(before.ok).toBe(true);
    const items = texts.flatMap((text) => [{ text: text.replaceAll("@", folder) }, { text: CANARY }]);
    const verdicts = await engine.checkMany(items, { schema });
    const passed = texts.filter((_, i) => verdicts[2 * i]!.ok);
    expect(passed).toEqual([]);
    expect(JSON.stringify(verdicts)).not.toContain(SECRET);
    const changed = texts.filter((_, i) => verdicts[2 * i + 1]!.sql !== before.sql);
    expect(changed, "texts after which another one was judged otherwise").toEqual([]);
    expect(readdirSync(folder)).toEqual(["secret.csv"]);
  });

  it("end soon, in a verdict of their own", { timeout: 300_000 }, async () => {
    const ended: string[] = [];
    for (const text of ENDLESS) {
      const verdict = await engine.check(text, { schema });
      if (verdict.ok || /^(SandboxCrash|TimeoutError)$/.test(verdict.error?.type ?? ""))
        ended.push(`${text}: ${verdict.error?.type ?? "passed"} ${verdict.error?.message ?? ""}`);
    }
    expect(ended).toEqual([]);
  });

  it.each(NESTED)("may end their process, and nothing else: %j", { timeout: 600_000 }, async (text) => {
    const verdict = await engine.check(text, { schema });
    expect(verdict.ok).toBe(false);
    expect((await engine.check(CANARY, { schema })).ok).toBe(true);
  });
});
