import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { parseTable, schemaFrom } from "./schema-options.js";

describe("tables on the command line", () => {
  it("have columns of any type", () => {
    expect(
      parseTable("t(a int64, b decimal(12, 2), c map<string, array<int64>>, d: struct<x: int64, y: string>)"),
    ).toEqual([
      "t",
      { a: "int64", b: "decimal(12, 2)", c: "map<string, array<int64>>", d: "struct<x: int64, y: string>" },
    ]);
  });

  it.each(["", "t", "t()", "t(a)", "t(a int64", "a b(c int64)", "t(a int64,)"])("are refused: %j", (text) => {
    expect(() => parseTable(text)).toThrow(/names no table with columns/);
  });

  it("add to those of the file", () => {
    const file = join(temporaryFolder(), "schema.json");
    writeFileSync(file, JSON.stringify({ a: { x: "int64" }, b: { y: "string" } }));
    expect(schemaFrom({ schema: file, table: ["b(z date)"] })).toEqual({
      a: { x: "int64" },
      b: { z: "date" },
    });
    expect(schemaFrom({})).toBeUndefined();
  });
});
