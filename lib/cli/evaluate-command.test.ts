import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { splitCounts } from "../data/corpus.js";
import { SPLITS } from "../data/tasks.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import type { EvaluationResult } from "../evaluation/metrics.js";
import { ibert } from "./testing/run-program.js";
import { writeTinyCorpus } from "./testing/tiny-corpus.js";

/** A corpus of one held-out row of each of three tasks. */
function corpusFolder(): string {
  const folder = writeTinyCorpus(join(temporaryFolder(), "corpus"));
  const weights = Object.fromEntries(
    ["code_completion", "ibis_to_sql", "error_resolution", "qa", "function_documentation", "sql_to_ibis"].map(
      (task) => [task, 1],
    ),
  ) as Parameters<typeof splitCounts>[1];
  const rows = splitCounts({ train: 0, evaluation: { valid: 0, test: 0, test_schema: 0 } }, weights);
  const manifest = {
    format: 1,
    name: "tiny",
    dsl: { name: "ibis-framework", version: "12.0.0" },
    settings: { seed: 1, source: "test", rows, human: false },
    counts: rows,
    shapes: Object.fromEntries(SPLITS.map((split) => [split, 1])),
    refused: 0,
    duplicates: 0,
    files: {},
  };
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
  return folder;
}

describe("ibert evaluate", { timeout: 300_000 }, () => {
  it("measures the model and its baselines on the same rows, by execution where the prompt decides", async () => {
    const options = ["--no-adapter", "--base", "smollm2-135m", "--corpus", corpusFolder()];
    const few = ["--rows-per-task", "1", "--max-tokens", "8", "--samples", "2", "--temperature", "1"];
    const { code, stdout, stderr } = await ibert(["evaluate", ...options, ...few, "--json"]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const printed = JSON.parse(stdout) as Record<"shots" | "after", EvaluationResult>;
    expect(Object.keys(printed).sort()).toEqual(["after", "base", "shots"]);
    for (const result of [printed.after, printed.shots]) {
      expect(result.scores.map(({ id }) => id)).toEqual([
        "test-code_completion-11",
        "test-ibis_to_sql-11",
        "test-sql_to_ibis-11",
      ]);
      expect(result.scores.map(({ execution }) => execution !== undefined)).toEqual([false, true, true]);
      expect(result.all.execution).toMatchObject({ rows: 2, constant: 0, untold: 0 });
      expect(result.passAt?.map(({ k }) => k)).toEqual([1, 2]);
    }
    expect(printed.shots.scores).not.toEqual(printed.after.scores);
  });

  it("keeps scores as they come, goes on with those that are there, and writes the report", async () => {
    const corpus = corpusFolder();
    const output = join(temporaryFolder(), "evaluation");
    const run = (...more: string[]) =>
      ibert([
        ...["evaluate", "--no-adapter", "--no-baselines", "--base", "smollm2-135m", "--corpus", corpus],
        ...[
          "--tasks",
          "sql_to_ibis,ibis_to_sql",
          "--limit",
          "2",
          "--max-tokens",
          "4",
          "--output",
          output,
          ...more,
        ],
      ]);
    const file = join(output, "scores.jsonl");
    const { code, stderr, stdout } = await run();
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toContain("evaluation.html");
    const [head = "", ...answers] = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(answers).toHaveLength(2);
    const report = readFileSync(join(output, "evaluation.json"), "utf8");
    expect(JSON.parse(report)).toMatchObject({ measured: [{ subject: "after", all: { rows: 2 } }] });

    // One of the answers is marked, so that it shows that it was not asked again.
    const marked = (answers[0] ?? "").replace(/"prediction":"/, '"prediction":"kept ');
    writeFileSync(file, `${head}\n${marked}\n${(answers[1] ?? "").slice(0, 40)}`);
    expect((await run()).code).toBe(0);
    const again = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(again).toEqual([head, marked, answers[1]]);
    expect(readFileSync(join(output, "evaluation.json"), "utf8")).toBe(
      report.replace('"prediction": "', '"prediction": "kept '),
    );

    const other = await run("--samples", "2");
    expect(other).toMatchObject({ code: 2 });
    expect(other.stderr).toContain("another samples (1, now 2)");
    expect((await run("--samples", "2", "--temperature", "0")).stderr).toContain("are one and the same");
  });
});
