/** The rules over their fixtures, in one run: each finds what its fixtures mark, and not what they mark as other. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

import { ownRules, readRules } from "./rules.js";
import { findSemgrep, scan } from "./semgrep.js";

const RULES = ownRules();
const FIXTURES = join(RULES, "fixtures");

const rules = readRules(RULES);
const fixtures = readdirSync(FIXTURES).map((file) => ({
  file,
  text: readFileSync(join(FIXTURES, file), "utf8"),
}));
/** A comment marks the line below it. */
const marks = fixtures.flatMap(({ file, text }) =>
  text.split("\n").flatMap((line, i) => {
    const [, kind, rule = ""] = /^\s*# (ruleid|ok): (\S+)$/.exec(line) ?? [];
    return kind === undefined ? [] : [{ file, line: i + 2, rule, found: kind === "ruleid" }];
  }),
);

let semgrep: string | undefined;
try {
  semgrep = findSemgrep();
} catch {
  // `npm test` installs it; elsewhere the rules are not run.
}

const folder = mkdtempSync(join(tmpdir(), "ibert-rules-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the rules of Semgrep", () => {
  it("are at least 30, each with its own name, an excerpt, and fixtures of both kinds", () => {
    const ids = rules.map(({ id }) => id);
    expect(ids.length).toBeGreaterThanOrEqual(30);
    for (const found of [true, false]) {
      const marked = marks.filter((mark) => mark.found === found).map(({ rule }) => rule);
      expect([...new Set(marked)].sort()).toEqual([...ids].sort());
    }
  });

  it.skipIf(semgrep === undefined)(
    "match what is marked as theirs, and nothing that is marked as other",
    async () => {
      const texts = fixtures.map(({ text }) => text);
      const { matches, faults } = await scan(semgrep ?? "", rules, texts);
      expect(faults.filter((fault) => fault !== undefined)).toEqual([]);
      const found = new Set(
        matches.flatMap((own, i) => own.map(({ rule, line }) => `${fixtures[i]?.file}:${line} ${rule}`)),
      );
      const said = marks.map(({ file, line, rule, found: due }) => ({ at: `${file}:${line} ${rule}`, due }));
      expect(said.filter(({ at, due }) => found.has(at) !== due)).toEqual([]);
    },
  );

  it("are run by a program that is found, or else named with the command that gets it", () => {
    expect(() => findSemgrep("/nowhere", "/nowhere/bin")).toThrow(
      /^semgrep is neither in .*\.venv-semgrep\/bin nor on the PATH\n {2}Get it with: python3 -m pip install semgrep==1\.185\.0/,
    );
    expect(() => findSemgrep("/nowhere", "")).toThrow(expect.objectContaining({ code: "semgrep-missing" }));
  });

  it("are read with errors that name file and key", () => {
    const file = join(folder, "own.yaml");
    expect(() => readRules(folder)).toThrow(expect.objectContaining({ code: "config-missing" }));
    writeFileSync(file, "rules:\n  - id: a\n    metadata: { excerpt: line }\n    pattern: f()\n");
    expect(() => readRules(folder)).toThrow(/own\.yaml: .*excerpt[^]*statement, function, docstring, pair/);
    const rule = "  - id: a\n    metadata: { excerpt: pair }\n";
    writeFileSync(file, `rules:\n${rule}${rule}`);
    expect(() => readRules(file)).toThrow(/own\.yaml: a second rule has the id a$/);
    expect(() => readRules(join(folder, "none"))).toThrow(expect.objectContaining({ code: "file-missing" }));
  });
});
