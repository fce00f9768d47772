import { describe, expect, it } from "vitest";

import type { Row } from "../../data/tasks.js";
import { toyFormat } from "../../data/testing/fakes.js";
import { summariseByTask, type RowScore } from "../metrics.js";
import { evaluationMarkdown, evaluationPage } from "./pages.js";
import { WorstFailures } from "./summary.js";
import { summaryOf } from "./write.js";

const facets = { feature: ["join"], dialect: ["duckdb"], length: ["below 60"], split: ["test"], kind: [] };

const score = (id: string, equal: boolean, compiles = true): RowScore => ({
  id,
  task: "sql_to_ibis",
  prediction: `<answer|${id}>`,
  holdsCode: true,
  passed: { parse: true, names: compiles, build: compiles, compile: compiles },
  ...(compiles ? {} : { error: "NameError: no t" }),
  exact: false,
  sqlEqual: false,
  chrF: 0,
  rougeL: 0,
  execution: { runs: compiles, equal, neighbours: 10, killed: 9, constantEqual: false, facets },
});

const scores = (right: number): RowScore[] =>
  Array.from({ length: 20 }, (_, i) => score(`r${i}`, i < right, i < 19));

const worst = new WorstFailures(2);
for (const one of scores(10)) {
  worst.look(
    one,
    () => ({ id: one.id, fields: { input: "in" }, completion: "gold" }) as unknown as Row,
    toyFormat,
  );
}

const summary = summaryOf(
  {
    results: [2, 4, 10, 15].map((right) => summariseByTask(scores(right))),
    failures: worst.all,
    settings: { corpus: "data/c", split: "test" },
  },
  ["before", "shots", "after", "other"],
  { before: "base", shots: "base with 3 examples", after: "A", other: "B" },
);

describe("the report of an evaluation", () => {
  it("holds every subject, paired differences and break-downs", () => {
    expect(summary.measured.map(({ all }) => all.execution?.accuracy)).toEqual([0.1, 0.2, 0.5, 0.75]);
    expect(summary.differences.map(({ from, to, difference }) => [from, to, difference])).toEqual([
      ["before", "after", 0.4],
      ["shots", "after", 0.3],
      ["after", "other", 0.25],
    ]);
    expect(summary.measured[2]?.breakdowns.feature).toMatchObject([
      { name: "join", rows: 20, accuracy: 0.5 },
    ]);
  });

  it("shows of the wrong answers those that came the least far", () => {
    expect(worst.all.map(({ id, rungs, reason }) => [id, rungs, reason])).toEqual([
      ["r19", 1, "NameError: no t"],
      ["r10", 5, "it does not name what it must"],
    ]);
  });

  it("is Markdown whose tables keep their cells", () => {
    const text = evaluationMarkdown(summary);
    const head = text.split("\n").find((line) => line.startsWith("| task")) ?? "";
    for (const line of text.split("\n").filter((one) => one.startsWith("| sql_to_ibis"))) {
      expect(line.match(/(?<!\\)\|/g)).toHaveLength((head.match(/\|/g) ?? []).length);
    }
    expect(text).toContain("| A | B | 20 | +25.0 points |");
    expect(text).toContain("### sql_to_ibis, r19: NameError: no t");
    expect(text).toContain(
      "tell 90 % of all their neighbours from them, of which some mean the same; `ibert data kill-rate`",
    );
  });

  it("is a page with plots, without scripts and addresses, whose texts are escaped", () => {
    const html = evaluationPage(summary);
    expect(html).not.toMatch(/<script|https?:(?!\/\/www\.w3\.org\/2000\/svg)|src=|<answer/);
    expect(html.match(/<svg/g)).toHaveLength(2);
    expect(html).toContain("<title>A: 50 %");
    expect(html).toContain("&#60;answer|r19&#62;");
  });
});
