import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createIbisEngine, lockedWheels } from "../dsl/ibis/index.js";
import { closeValidators, validate } from "./validate.js";

afterAll(closeValidators);

describe("validate", () => {
  it("answers with a verdict", async () => {
    const schema = { t: { a: "int64" } };
    expect(await validate("t.limit(1)", { schema })).toMatchObject({ stage: "compile", ok: true });
    expect(await validate("t.limit(", { schema })).toMatchObject({ stage: "parse", ok: false });
  });

  it("throws for what is wrong outside the text", async () => {
    await expect(validate("t", { dsl: "nothing" })).rejects.toMatchObject({ code: "dsl-unknown" });
    await expect(validate("t", { schema: { t: { a: "int46" } } })).rejects.toMatchObject({
      code: "schema-invalid",
      message: expect.stringContaining("table `t`, column `a`: 'int46'") as string,
    });
    await expect(validate("t", { schema: { t: { a: "int64" } }, dialect: "klingon" })).rejects.toMatchObject({
      code: "dialect-unknown",
    });
  });

  it("names the wheel that is missing or damaged, and the command that fetches it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ibert-wheels-"));
    const engine = createIbisEngine({ wheelFolder: folder });
    try {
      const [first] = lockedWheels();
      await expect(engine.check("t")).rejects.toMatchObject({
        code: "wheel-missing",
        message: expect.stringContaining(first?.file ?? "?") as string,
        hint: expect.stringContaining("fetch-wheels.mjs") as string,
      });
      for (const { file } of lockedWheels()) writeFileSync(join(folder, file), "not a wheel");
      await expect(engine.check("t")).rejects.toMatchObject({
        code: "wheel-corrupt",
        message: expect.stringContaining(first?.file ?? "?") as string,
      });
    } finally {
      await engine.close();
      rmSync(folder, { recursive: true });
    }
  });
});
