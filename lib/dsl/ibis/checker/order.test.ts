import { describe, expect, it } from "vitest";
import { createIbisEngine } from "../index.js";

const columns = [..."abcdefghijklmnopqrstuvwxyz"];
const schema = { t: Object.fromEntries(columns.map((name) => [name, "int64"])) };
const dropped = ["y", "c", "q", "b", "x", "f", "n", "a"];

describe("the names that a star leaves out", () => {
  // Each process of the sandbox hashes texts by a seed of its own.
  it("come in the order of the table, in every process", { timeout: 600_000 }, async () => {
    const texts = [dropped, [...dropped].reverse()].map(
      (names) => `t.drop(${names.map((n) => `"${n}"`).join(", ")})`,
    );
    const seen = new Set<string>();
    for (let process = 0; process < 3; process++) {
      const engine = createIbisEngine({ workers: 1 });
      for (const dialect of ["duckdb", "snowflake"])
        for (const text of texts) seen.add((await engine.check(text, { schema, dialect })).sql ?? "");
      await engine.close();
    }
    const listed = [...dropped].sort().map((name) => `"${name}"`);
    expect([...seen]).toHaveLength(1);
    expect([...seen][0]).toContain(`EXCLUDE (${listed.join(", ")})`);
  });
});
