import { describe, expect, it } from "vitest";
import type { EvaluationResult, RowScore, TaskMetrics } from "../evaluation/metrics.js";
import {
  breakdownTable,
  describeDifference,
  describeExecution,
  evaluationTable,
} from "./evaluation-table.js";

const metrics = (accuracy?: number): TaskMetrics => ({
  rows: 40,
  codeRows: 40,
  rates: { parse: 0.9, names: 0.8, build: 0.7, compile: 0.6 },
  exactMatch: 0.1,
  sqlEqual: 0.2,
  chrF: 0,
  rougeL: 0,
  ...(accuracy === undefined
    ? {}
    : {
        execution: {
          rows: 38,
          runs: 0.5,
          accuracy,
          interval: [0.2, 0.4],
          constant: 0.01,
          killed: 0.97,
          untold: 2,
        },
      }),
});
const result = (own: TaskMetrics): EvaluationResult => ({
  tasks: { sql_to_ibis: own },
  all: own,
  scores: [],
});

describe("the table of an evaluation", () => {
  it("says below how often a completion begins with the right name", () => {
    const own = {
      ...metrics(0.3),
      nextIdentifier: { rows: 8, right: 0.5, interval: [0.2, 0.8] as [number, number] },
    };
    expect(evaluationTable(result(own))).toContain(
      "50 % of 8 completions that could go on otherwise begin with the same name (95 %: 20 … 80).",
    );
  });

  it("has execution first, then the rungs of the ladder", () => {
    const lines = evaluationTable(result(metrics(0.3)), result(metrics(0.05))).split("\n");
    expect(lines[0]?.split(/ {2,}/)).toEqual(
      ["task", "rows", "equal before", "after", "95 %", "constant", "parses", "names", "builds"].concat([
        "compiles before",
        "after",
        "runs",
        "same SQL",
        "same text",
      ]),
    );
    expect(lines[1]?.split(/ {2,}/)).toEqual([
      "sql_to_ibis",
      "40",
      "5 %",
      "30 %",
      "20 … 40",
      "1 %",
      "90 %",
      "80 %",
      "70 %",
      "60 %",
      "60 %",
      "50 %",
      "20 %",
      "10 %",
    ]);
    expect(lines.at(-1)).toMatch(
      /tell 97 % of all their neighbours.*kill-rate.*; of 2 rows nothing can be told/,
    );
  });

  it("says that execution was not measured, and what would help, instead of guessing", () => {
    const lines = evaluationTable(result(metrics())).split("\n");
    expect(lines[1]?.split(/ {2,}/).slice(0, 5)).toEqual(["sql_to_ibis", "40", "–", "–", "–"]);
    expect(lines.at(-1)).toMatch(/not measured.*npm install @duckdb\/node-api/);
    expect(describeExecution(metrics())).toBe("execution not measured");
    expect(describeExecution(metrics(0.3))).toBe(
      "30 % of 38 answers execute equal (95 %: 20 … 40; constant answer 1 %)",
    );
  });
});

const answered = (right: number, of: number): EvaluationResult => {
  const scores = Array.from({ length: of }, (_, i): RowScore => ({
    id: `row ${i}`,
    task: "sql_to_ibis",
    prediction: "",
    holdsCode: true,
    passed: { parse: true, names: true, build: true, compile: true },
    exact: false,
    sqlEqual: false,
    chrF: 0,
    rougeL: 0,
    execution: {
      ...{ runs: true, equal: i < right, neighbours: 1, killed: 1, constantEqual: false },
      facets: { feature: [i % 2 === 0 ? "join" : "plain"], dialect: [], length: [], split: [], kind: [] },
    },
  }));
  return { ...result(metrics(right / of)), scores };
};

describe("two models on the same rows", () => {
  it("differ by chance or not", () => {
    expect(describeDifference(answered(10, 100), answered(40, 100))).toMatch(
      /^\+30 % of 100 answers \(95 %: 2[01] … (39|40); p < 0\.001\)$/,
    );
    expect(describeDifference(answered(10, 100), answered(10, 100))).toBe(
      "0 % of 100 answers (95 %: 0 … 0; p = 1.000)",
    );
    expect(describeDifference(answered(10, 100), result(metrics()))).toBe("execution not measured");
  });
});

describe("the accuracy broken down", () => {
  it("has a line a kind", () => {
    const lines = breakdownTable(answered(2, 4), "feature").split("\n");
    expect(lines.map((line) => line.split(/ {2,}/).slice(0, 3))).toEqual([
      ["feature", "rows", "equal"],
      ["join", "2", "50 %"],
      ["plain", "2", "50 %"],
    ]);
  });
});
