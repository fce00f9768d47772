import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { TASK_TYPES } from "../../data/tasks.js";
import { summarise, type RowScore } from "../../evaluation/metrics.js";
import { temporaryFolder } from "../../formats/testing/temporary.js";
import { parseTrainingConfig } from "../config.js";
import { drawLineChart, formatTick, runningMean, ticks } from "./chart.js";
import { findSameRun, writeReport, type RunRecord } from "./report.js";

const score = (prediction: string, compiles: boolean): RowScore => ({
  id: "test-qa-1",
  task: "qa",
  prediction,
  holdsCode: true,
  passed: { parse: true, names: compiles, build: compiles, compile: compiles },
  ...(compiles ? {} : { error: "NameError: <b>&" }),
  exact: false,
  sqlEqual: compiles,
  chrF: 0.5,
  rougeL: 0.5,
});

function record(output: string, corpus: string): RunRecord {
  const [before, after] = [score("<script>alert(1)</script>", false), score("t.limit(1)", true)];
  const share = { rows: 1, tokens: 10, supervisedTokens: 4 };
  const step = {
    loss: 2,
    gradNorm: 1,
    learningRate: 1e-3,
    tokens: 10,
    supervisedTokens: 4,
    tokensPerSecond: 5,
  };
  return {
    format: 1,
    config: parseTrainingConfig({ base: "smollm2-135m", output, corpus, steps: 2 }, "test"),
    corpusSha256: "",
    machine: { system: "s", processor: "p", cores: 2, memoryBytes: 2 ** 30, node: "20" },
    device: {
      backend: "cpu",
      name: "n",
      architecture: "avx2",
      memoryBytes: 2 ** 30,
      threads: 2,
      passedOver: [],
    },
    trainingSeconds: 4,
    plan: { process: 1, weights: 1, adapter: 1, activations: 1, generation: 1, workspace: 1, total: 5 },
    shares: Object.fromEntries(TASK_TYPES.map((task) => [task, share])) as RunRecord["shares"],
    steps: [
      { ...step, step: 1 },
      { ...step, step: 2, loss: 1 },
    ],
    measurements: [
      { when: "before", step: 0, tasks: { qa: summarise([before]) }, all: summarise([before]) },
      { when: "after", step: 2, tasks: { qa: summarise([after]) }, all: summarise([after]) },
    ],
    examples: [{ task: "qa", id: "test-qa-1", prompt: "# Question", expected: "t.limit(1)", before, after }],
  };
}

describe("the report", () => {
  it("is one page that needs nothing beside it and runs nothing", async () => {
    const path = await writeReport(record(join(temporaryFolder(), "adapter"), "corpus"));
    const page = readFileSync(path, "utf8");
    expect(page.replaceAll('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(
      /https?:|<script|<link|<img|@import|url\(/,
    );
    expect(page).toContain("prefers-color-scheme: dark");
    expect(page).toContain("&#60;script&#62;alert(1)");
    expect(page).toContain("NameError: &#60;b&#62;&#38;");
    for (const text of [
      "Loss",
      "Gradient norm",
      "Learning rate",
      "Tokens a second",
      "compiles before",
      "test-qa-1",
    ]) {
      expect(page).toContain(text);
    }
    const curves = readFileSync(join(path, "..", "curves.svg"), "utf8");
    expect(curves.match(/<path class="line" d="M/g)).toHaveLength(4);
  });

  it("is found again for the same configuration and rows only", async () => {
    const folder = temporaryFolder();
    const [adapter, corpus] = [join(folder, "adapter"), folder];
    writeFileSync(join(corpus, "train.jsonl"), "{}\n");
    const made = record(adapter, corpus);
    await writeReport(made);
    writeFileSync(join(adapter, "adapter_model.safetensors"), "");
    expect(findSameRun(made.config)).toBeUndefined();
    const { createHash } = await import("node:crypto");
    await writeReport({ ...made, corpusSha256: createHash("sha256").update("{}\n").digest("hex") });
    expect(findSameRun(made.config)?.trainingSeconds).toBe(4);
    expect(findSameRun({ ...made.config, seed: 2 })).toBeUndefined();
    writeFileSync(join(corpus, "train.jsonl"), "{}\n{}\n");
    expect(findSameRun(made.config)).toBeUndefined();
  });
});

describe("charts", () => {
  it("have round ticks within the values", () => {
    expect(ticks(0, 10, 4)).toEqual([0, 5, 10]);
    expect(ticks(1, 110, 6)).toEqual([20, 40, 60, 80, 100]);
    expect(ticks(3, 3)).toEqual([3]);
    expect([0, 0.0006, 0.25, 1234, 20000].map(formatTick)).toEqual(["0", "6e-4", "0.25", "1230", "2e4"]);
  });

  it("draw constant, missing and broken values", () => {
    const chart = { title: "t", unit: "u" };
    expect(drawLineChart({ ...chart, points: [] })).toContain("no values");
    const drawn = drawLineChart({
      ...chart,
      points: [
        { x: 1, y: 5 },
        { x: 2, y: NaN },
        { x: 3, y: 5 },
      ],
    });
    expect(drawn).not.toContain("NaN");
    expect(drawn.match(/<circle/g)).toHaveLength(2);
  });

  it("smooth with the values before", () => {
    const points = [4, 2, 0].map((y, x) => ({ x, y }));
    expect(runningMean(points, 2).map(({ y }) => y)).toEqual([4, 3, 1]);
  });
});
