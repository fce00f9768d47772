import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { schemaFrom } from "./schema-options.js";

function schemaFile(text: string): string {
  const file = join(temporaryFolder(), "schema.json");
  writeFileSync(file, text);
  return file;
}

describe("tables on the command line", () => {
  it("add to those of the file", () => {
    const schema = schemaFile('{ "a": { "x": "int64" }, "my table": { "unit price": "float64" } }');
    expect(schemaFrom({ schema, table: ["b(z date)", "c(z date)"] })).toEqual({
      a: { x: "int64" },
      "my table": { "unit price": "float64" },
      b: { z: "date" },
      c: { z: "date" },
    });
    expect(schemaFrom({})).toBeUndefined();
  });

  it("are refused when they are named twice, wherever", () => {
    expect(() => schemaFrom({ table: ["a(x int64)", '"a"(y date)'] })).toThrow(
      '--table: table "a" is given twice',
    );
    expect(() => schemaFrom({ table: ["s.a(x int64)", "s.A(y date)"] })).toThrow("differ in case only");
    const schema = schemaFile('{"a": {"x": "int64"}}');
    expect(() => schemaFrom({ schema, table: ["a(x int64)"] })).toThrow(`The tables of ${schema} count too.`);
  });

  it.each([
    ['{"a": {"x": "int64"}, "b": {}, "a": {"y": "date"}}', 'table "a" is given twice'],
    ['{"a": {"x": "int64", "y": "date", "x": "string"}}', 'table a: column "x" is given twice'],
    ['{"a": {"x": "int64", "X": "string"}}', 'table a: columns "x" and "X" differ in case only'],
    [String.raw`{"a": {"x": "int64", "\u0078": "string"}}`, 'table a: column "x" is given twice'],
  ])("repeated in a file are refused, which JSON.parse would not: %s", (text, problem) => {
    const schema = schemaFile(text);
    expect(() => schemaFrom({ schema })).toThrow(`--schema ${schema}: ${problem}`);
  });

  it("come from the file of a corpus's own tables too", () => {
    const file = join(temporaryFolder(), "warehouse.yaml");
    writeFileSync(file, "orders:\n  id: { type: int64, key: true }\n  amount: float64\n");
    expect(schemaFrom({ schema: file })).toEqual({ orders: { id: "int64", amount: "float64" } });
  });

  it("in a file of another form are refused with their place", () => {
    const schema = schemaFile('{"a": {"x": 1}}');
    expect(() => schemaFrom({ schema })).toThrow(`${schema}: a.x: `);
  });
});
