import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { errorOf, ibert } from "./testing/run-program.js";

const TABLE = ["--table", "orders(region string, amount float64)"];

describe("ibert validate", () => {
  it("reads a pipe, and prints the SQL when asked", async () => {
    const ended = await ibert(["validate", ...TABLE, "--sql"], "orders.limit(3)\n");
    expect(ended.code).toBe(0);
    expect(ended.stdout).toMatch(/^compile: passed\nSELECT[\s\S]*LIMIT 3\n$/);
  });

  it("ends with 1 for what the compiler refuses, and marks the place", async () => {
    const { code, stdout } = await ibert(["validate", ...TABLE, "--code", "orders.limt(3)"]);
    expect(code).toBe(1);
    expect(stdout).toContain("names: AttributeError");
    expect(stdout).toContain("1 | orders.limt(3)\n");
  });

  it("prints one verdict a line, with the file's name", async () => {
    const folder = temporaryFolder();
    const [good, bad] = ["good.py", "bad.py"].map((name) => join(folder, name)) as [string, string];
    writeFileSync(good, "orders.count()\n");
    writeFileSync(bad, "orders.(\n");
    const { code, stdout } = await ibert(["validate", ...TABLE, "--json", good, bad]);
    const verdicts = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { file: string });
    expect(code).toBe(1);
    expect(verdicts).toMatchObject([
      { file: good, ok: true, stage: "compile" },
      { file: bad, ok: false, stage: "parse" },
    ]);
  });

  it("says that the schema was inferred", async () => {
    const { stderr } = await ibert(["validate", "--code", "df.group_by('category').agg(n=_.count())"]);
    expect(stderr).toBe('schema inferred from the names: {"df":{"category":"string"}}\n');
  });

  it("ends with 2 for a file that is not there and an unknown dialect", async () => {
    expect(await ibert(["validate", "missing.py"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("missing.py"),
    });
    const ended = await ibert(["validate", ...TABLE, "--dialect", "klingon", "--json", "--code", "orders"]);
    expect(ended.code).toBe(2);
    expect(errorOf(ended).code).toBe("dialect-unknown");
  });
});
