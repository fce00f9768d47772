import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { readOwnTables } from "./own-tables.js";

function read(text: string, name = "tables.yaml"): ReturnType<typeof readOwnTables> {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, text);
  return readOwnTables(path);
}

describe("a file of a user's tables", () => {
  it("says types, or types with what is known of a column, in YAML or JSON", () => {
    const yaml = read(
      "orders:\n  id: { type: int64, key: true }\n  status: { type: string, values: [1, b] }\n",
    );
    expect(yaml.tables).toEqual([
      {
        name: "orders",
        columns: [
          { name: "id", type: "int64", key: true },
          { name: "status", type: "string", values: ["1", "b"] },
        ],
      },
    ]);
    expect(yaml.place("orders", "status")).toMatch(/tables\.yaml: orders\.status \(line 3\)$/);
    const json = read('{"orders": {"region": "string", "amount": "decimal(12, 2)"}}', "tables.json");
    expect(json.tables[0]?.columns.map(({ type }) => type)).toEqual(["string", "decimal(12, 2)"]);
    expect(json.sha256).not.toBe(yaml.sha256);
  });

  it.each([
    ["orders: { amount: decimal(12,2) }\n", /orders\.2\): .*\(line 1\)/],
    ["orders:\n  id: { type: int64, kee: true }\n", /orders\.id: Unrecognized key: "kee" \(line 2\)/],
    ["orders:\n  id: { key: true }\n", /orders\.id\.type: .*\(line 2\)/],
    ["orders:\n  id: 3\n", /orders\.id: give a type.*\(line 2\)/],
    ["orders:\n  n: { type: int64, range: [5, 5] }\n", /orders\.n\.range: the first number .*\(line 2\)/],
    ["orders:\n  n: { type: string, values: [] }\n", /orders\.n\.values: .*\(line 2\)/],
    ["orders: { a: date, A: date }\n", /orders \(line 1\): names "a" and "A" differ in case only/],
    ["orders: {}\n", /orders: it has no columns \(line 1\)/],
    ["{}\n", /it holds no tables/],
    ["orders:\n  a: int64\n  a: date\n", /the key stands twice/],
  ])("with a fault is refused by name and line: %j", (text, message) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({
        code: "config-invalid",
        message: expect.stringMatching(message) as string,
      }),
    );
  });
});
