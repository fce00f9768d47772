import { describe, expect, it } from "vitest";
import type { Verdict } from "../dsl/dsl.js";
import { compareVerdicts, describeVerdict, rungsPassed } from "./verdict.js";

const compiled: Verdict = { stage: "compile", ok: true, sql: "SELECT 1", milliseconds: 1 };
const unnamed: Verdict = {
  stage: "names",
  ok: false,
  error: {
    type: "AttributeError",
    message: "'Table' object has no attribute 'agregate'",
    position: { line: 2, column: 8, endLine: 2, endColumn: 16 },
  },
  milliseconds: 1,
};

describe("verdicts", () => {
  it("count the rungs passed", () => {
    expect(rungsPassed(compiled)).toBe(4);
    expect(rungsPassed({ ...compiled, ok: false })).toBe(3);
    expect(rungsPassed(unnamed)).toBe(1);
    expect(rungsPassed({ ...unnamed, stage: "parse" })).toBe(0);
  });

  it("sort the better first", () => {
    expect([unnamed, compiled].sort(compareVerdicts)).toEqual([compiled, unnamed]);
  });

  it("mark the place, in characters where the column counts bytes", () => {
    // "é" takes two bytes.
    expect(describeVerdict('x = 1\n"é"; t.agregate()', unnamed)).toBe(
      "names: AttributeError: 'Table' object has no attribute 'agregate'\n" +
        '  2 | "é"; t.agregate()\n' +
        `${" ".repeat(13)}${"^".repeat(8)}`,
    );
  });

  it("say that a text passed, and do without a place", () => {
    expect(describeVerdict("t", compiled)).toBe("compile: passed");
    const error = { type: "AttributeError", message: "'Table' object has no attribute 'agregate'" };
    expect(describeVerdict("t", { ...unnamed, error })).toBe(
      "names: AttributeError: 'Table' object has no attribute 'agregate'",
    );
  });

  it("set apart what only the sandbox refused", () => {
    const error = { type: "PermissionError", message: "no" };
    const refused = { ...unnamed, stage: "build", refused: true, error } as const;
    expect(describeVerdict("t", refused)).toBe(
      "refused: PermissionError: no (ibert's sandbox refuses it; Python might run it)",
    );
    expect(rungsPassed(refused)).toBe(1);
    expect(rungsPassed({ ...refused, stage: "parse" })).toBe(0);
  });
});
