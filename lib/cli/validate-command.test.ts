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

  it("says when the inferred schema may be what is wrong", async () => {
    const doubtful = await ibert(["validate", "--code", "t.filter(_.x.upper() & _.y)"]);
    expect(doubtful.code).toBe(1);
    expect(doubtful.stderr).toMatch(/^schema inferred .*\nThe real schema may let it pass: /);
    const certain = await ibert(["validate", "--code", "t.filter(_.x.uper())"]);
    expect(certain.stderr).not.toContain("may let it pass");
  });

  it("takes names as DDL quotes them", async () => {
    const table = 'sales.orders("unit price" float64, größe !int64)';
    const code = 'orders.filter(_["unit price"] > _.größe)';
    const ended = await ibert(["validate", "--table", table, "--sql", "--code", code]);
    expect(ended.stdout).toContain('FROM "sales"."orders" AS "t0"');
    expect(ended.stdout).toContain('"t0"."unit price" > "t0"."größe"');
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
