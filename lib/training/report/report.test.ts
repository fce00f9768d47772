import { createHash } from "node:crypto";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { writeTinyCorpus } from "../../cli/testing/tiny-corpus.js";
import { TASK_TYPES } from "../../data/tasks.js";
import { summarise, type RowScore } from "../../evaluation/metrics.js";
import { temporaryFolder } from "../../formats/testing/temporary.js";
import { parseTrainingConfig } from "../config.js";
import { contentsOf, type RunContents } from "../contents.js";
import { drawLineChart, formatTick, runningMean, ticks } from "../../report/chart.js";
import { findSameRun, writeReport, type RunRecord } from "./report.js";

const NO_FACETS = { feature: [], dialect: [], length: [], split: [], kind: [] };

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
  execution: {
    runs: compiles,
    equal: compiles,
    neighbours: 20,
    killed: 19,
    constantEqual: false,
    facets: NO_FACETS,
  },
});

const NO_CONTENTS: RunContents = {
  corpus: "",
  weights: "",
  architecture: "",
  tokenizer: "",
  templates: "",
};

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
    format: 3,
    run: "0a1b2c3d4e5f",
    config: parseTrainingConfig({ base: "smollm2-135m", output, corpus, steps: 2 }, "test"),
    contents: NO_CONTENTS,
    adapterSha256: "",
    machine: { system: "s", processor: "p", cores: 2, memoryBytes: 2 ** 30, node: "20" },
    device: {
      backend: "cpu",
      name: "n",
      architecture: "avx2",
      memoryBytes: 2 ** 30,
      availableBytes: 2 ** 29,
      maxBufferBytes: 2 ** 30,
      sharesHostMemory: true,
      roundsRows: false,
      threads: 2,
      passedOver: [],
    },
    trainingSeconds: 4,
    plan: {
      ...{ process: 1, weights: 1, adapter: 1, activations: 1, generation: 1, workspace: 1 },
      ...{ device: 4, total: 5, sharesHostMemory: true },
    },
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
      "executes equal before",
      "compiles before",
      "executes equal; compiles, same SQL",
      "tell 95 % of all their neighbours from them, of which some mean the same",
      "test-qa-1",
    ]) {
      expect(page).toContain(text);
    }
    const curves = readFileSync(join(path, "..", "curves.svg"), "utf8");
    expect(curves.match(/<path class="line" d="M/g)).toHaveLength(4);
  });

  it("says where nothing was executed, and how to change that", async () => {
    const made = record(join(temporaryFolder(), "adapter"), "corpus");
    for (const { all, tasks } of made.measurements) {
      delete all.execution;
      delete tasks.qa?.execution;
    }
    const page = readFileSync(await writeReport(made), "utf8");
    expect(page).toContain("Whether answers execute equal was not measured.");
    expect(page).toContain("npm install @duckdb/node-api");
  });

  it("is found again for the same configuration, contents and adapter only", async () => {
    const folder = temporaryFolder();
    const [adapter, corpus] = [join(folder, "adapter"), writeTinyCorpus(join(folder, "corpus"))];
    const made = record(adapter, corpus);
    const { config } = made;
    await writeReport(made);
    writeFileSync(join(adapter, "adapter_model.safetensors"), "weights");
    expect(await findSameRun(config)).toBeUndefined();

    const contents = await contentsOf(config);
    const adapterSha256 = createHash("sha256").update("weights").digest("hex");
    await writeReport({ ...made, contents: { ...contents, tokens: "0".repeat(64) }, adapterSha256 });
    expect((await findSameRun(config))?.trainingSeconds).toBe(4);
    expect(await findSameRun({ ...config, seed: 2 })).toBeUndefined();

    for (const file of [join(corpus, "train.jsonl"), join(corpus, "test.jsonl")]) {
      const before = readFileSync(file);
      appendFileSync(file, "\n");
      expect(await findSameRun(config)).toBeUndefined();
      writeFileSync(file, before);
      expect(await findSameRun(config)).toBeDefined();
    }
    writeFileSync(join(adapter, "adapter_model.safetensors"), "other weights");
    expect(await findSameRun(config)).toBeUndefined();
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
