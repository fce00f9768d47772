import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { IBertError } from "../../errors.js";
import { readJson } from "../../formats/json.js";
import { repetitionsIn } from "../../formats/pattern-cost.js";
import { temporaryFolder } from "../../formats/testing/temporary.js";
import { addonPath } from "../../runtime/native.js";
import { fuzz } from "./run.js";
import { boundaries, READERS } from "./targets.js";

/** A share of what `npm run fuzz` does, in seconds. */
const INPUTS = 100;

function inputFolder(): string {
  const folder = join(temporaryFolder(), "input");
  mkdirSync(folder);
  return folder;
}

describe.each(Object.entries(READERS))("the reader of %s", (name, target) => {
  it("takes what the inputs are made from, and refuses damage by name", async () => {
    const folder = inputFolder();
    target.sound(folder);
    await target.read(folder);
    const { faults, inputs, refused } = await fuzz(name, target, folder, { inputs: INPUTS, seed: 20_261 });
    expect(faults).toEqual([]);
    expect(inputs).toBe(INPUTS);
    expect(Object.values(refused).reduce((a, b) => a + b, 0)).toBeGreaterThan(INPUTS / 5);
  });
});

it.each(Object.entries(boundaries(addonPath())))(
  "the boundary %s throws named errors",
  async (name, target) => {
    const { faults, accepted } = await fuzz(name, target, inputFolder(), { inputs: 2000, seed: 20_261 });
    expect(faults).toEqual([]);
    expect(accepted).toBeGreaterThan(200);
  },
);

it.each([
  ["(a+)+", true],
  ["(?:a|b)*c", true],
  ["(a{1,9}){2,}", true],
  ["(aa?)+$", true],
  ["(?:\\w{1,2})*x", true],
  ["(a+?)+", true],
  ["(a{3})+b??c", false],
  ["[(+]+\\(+", false],
  ["(?:layers\\.)?\\d+\\.(q|k)_proj", false],
])("tells by its form whether %s may be read in very many ways", (pattern, nested) => {
  expect(repetitionsIn(pattern).nested).toBe(nested);
});

it("refuses JSON that is nested so deep that whoever looks at it runs out of stack", () => {
  const path = join(temporaryFolder(), "deep.json");
  const nested = (levels: number): string => `${"[".repeat(levels)}${"]".repeat(levels)}`;
  writeFileSync(path, nested(500));
  expect(readJson(path)).toHaveLength(1);
  writeFileSync(path, `{"a": ${nested(20_000)}}`);
  expect(() => readJson(path)).toThrow(/deep\.json: it is nested more than 500 levels deep/);
});

describe("the judge", () => {
  const judged = async (read: (folder: string) => void, mostMilliseconds = 1000) => {
    const write = (folder: string) => (writeFileSync(join(folder, "x"), ""), 0);
    const options = { inputs: 1, seed: 1, mostMilliseconds };
    const { faults } = await fuzz("fake", { write, read, sound: () => undefined }, inputFolder(), options);
    return faults[0]?.what;
  };

  it("tells errors that name nothing, are of another kind, or of no known code", async () => {
    expect(await judged(() => void JSON.parse("{"))).toMatch(/SyntaxError/);
    expect(
      await judged(() => {
        throw new IBertError("json-invalid", "something is wrong");
      }),
    ).toMatch(/names no file/);
    expect(
      await judged((folder) => {
        throw new IBertError("no-such-code" as "json-invalid", folder);
      }),
    ).toMatch(/unknown/);
    expect(
      await judged((folder) => {
        throw new IBertError("json-invalid", `${folder}/x: something is wrong`);
      }),
    ).toBeUndefined();
  });

  it("tells memory and time", async () => {
    const kept: Uint8Array[] = [];
    expect(await judged(() => void kept.push(new Uint8Array(64 << 20)))).toMatch(/bytes for 0/);
    kept.length = 0;
    expect(
      await judged(() => {
        const end = process.cpuUsage().user + 25_000;
        while (process.cpuUsage().user < end);
      }, 20),
    ).toMatch(/took \d{2,}(\.\d+)? ms/);
  });
});
