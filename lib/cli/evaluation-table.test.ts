import { describe, expect, it } from "vitest";
import type { EvaluationResult, TaskMetrics } from "../evaluation/metrics.js";
import { describeExecution, evaluationTable } from "./evaluation-table.js";

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
      "20–40",
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
    expect(lines.at(-1)).toMatch(/tell 97 % of its neighbours from it; of 2 rows nothing can be told/);
  });

  it("says that execution was not measured, and what would help, instead of guessing", () => {
    const lines = evaluationTable(result(metrics())).split("\n");
    expect(lines[1]?.split(/ {2,}/).slice(0, 5)).toEqual(["sql_to_ibis", "40", "–", "–", "–"]);
    expect(lines.at(-1)).toMatch(/not measured.*npm install @duckdb\/node-api/);
    expect(describeExecution(metrics())).toBe("execution not measured");
    expect(describeExecution(metrics(0.3))).toBe(
      "30 % of 38 answers execute equal (95 %: 20–40; constant answer 1 %)",
    );
  });
});
