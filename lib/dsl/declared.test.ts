import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { DECLARED_TASKS, DSL_NAMES } from "./declared.js";
import { dslByName } from "./registry.js";

const LIB = fileURLToPath(new URL("..", import.meta.url));

/** Names of the files that list the DSLs. */
const LISTS = ["dsl/declared.ts", "dsl/registry.ts"];

/** Sources outside the DSLs' folders that ship, by their paths below `lib/`. */
const sources = readdirSync(LIB, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll(sep, "/"))
  .filter((path) => /\.(ts|mjs)$/.test(path) && !/\.test\.ts$|(^|\/)testing\//.test(path))
  .filter((path) => !DSL_NAMES.some((name) => path.startsWith(`dsl/${name}/`)))
  .filter((path) => !LISTS.includes(path));

/** The text with empty lines for what docstrings show to users, who do name them. */
const withoutExamples = (text: string): string =>
  text.replace(/^ *\* ```ts$[\s\S]*?^ *\* ```$/gm, (example) => example.replace(/.*/g, ""));

describe("what the DSLs declare", () => {
  it("is named nowhere outside their folders", () => {
    expect(sources).toContain("training/config.ts");
    expect(sources).toContain("dsl/sandbox/lockdown.mjs");
    const names = DECLARED_TASKS.map(({ name }) => `\\b${name}\\b`);
    const named = new RegExp([...DSL_NAMES, ...names].join("|"), "i");
    const found = sources.flatMap((path) =>
      withoutExamples(readFileSync(join(LIB, path), "utf8"))
        .split("\n")
        .flatMap((line, at) => (named.test(line) ? [`${path}:${at + 1}: ${line.trim()}`] : [])),
    );
    expect(found).toEqual([]);
  });

  it("is what the registry knows", () => {
    expect(DSL_NAMES.map((name) => dslByName(name).name)).toEqual(DSL_NAMES);
  });

  it("gives each task and each short form a name of its own, and weights that add up to 1", () => {
    expect(new Set(DECLARED_TASKS.map(({ name }) => name)).size).toBe(DECLARED_TASKS.length);
    expect(new Set(DECLARED_TASKS.map(({ command }) => command.name)).size).toBe(DECLARED_TASKS.length);
    expect(DECLARED_TASKS.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 12);
  });
});
