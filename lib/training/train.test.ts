import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { Row } from "../data/tasks.js";
import type { DslEngine } from "../dsl/dsl.js";
import { fullDisk } from "../formats/testing/failing-file-system.js";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint.js";
import { parseTrainingConfig, type TrainingConfig } from "./config.js";
import { train } from "./train.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ibert-train-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The run asks it for nothing but the version: there is no evaluation here. */
const engine = {
  version: () => Promise.resolve({ name: "ibis-framework", version: "12.0.0" }),
} as unknown as DslEngine;

function row(i: number, completion = `t.filter(_.price > ${i}).select("price")`): Row {
  const schema = { t: { price: "int64" } };
  return {
    id: `row-${i}`,
    task: i % 2 === 0 ? "sql_to_ibis" : "code_completion",
    split: "train",
    fields: { schema, input: `SELECT price FROM t WHERE price > ${i}` },
    completion,
    schema,
    schemaId: "t",
    shape: "plan:0",
    source: "test",
    licence: "Apache-2.0",
  };
}

function writeCorpus(rows: readonly Row[]): string {
  const corpus = join(folder, "corpus");
  mkdirSync(corpus, { recursive: true });
  writeFileSync(join(corpus, "train.jsonl"), rows.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  return corpus;
}

function configOf(overrides: Record<string, unknown> = {}): TrainingConfig {
  return parseTrainingConfig(
    {
      base: "smollm2-135m",
      output: join(folder, "adapter"),
      corpus: writeCorpus(Array.from({ length: 12 }, (_, i) => row(i))),
      backend: "cpu",
      steps: 4,
      lora: { rank: 2, alpha: 4 },
      data: {
        tokensPerBatch: 128,
        gradientAccumulation: 2,
        taskWeights: { qa: 0, function_documentation: 0, ibis_to_sql: 0, error_resolution: 0 },
      },
      evaluation: { rowsPerTask: 0 },
      checkpoint: { everySteps: 2 },
      ...overrides,
    },
    "test",
  );
}

const adapterBytes = (): Buffer => readFileSync(join(folder, "adapter", "adapter_model.safetensors"));

describe("train", () => {
  it("ends an aborted run with a checkpoint, from which a resumed run gives the unbroken run's adapter, bit by bit", async () => {
    const config = configOf();
    const unbroken = await train(config, { engine });
    expect(unbroken.status).toBe("complete");
    const expected = adapterBytes();
    rmSync(join(folder, "adapter"), { recursive: true });

    const abort = new AbortController();
    const broken = await train(config, {
      engine,
      signal: abort.signal,
      events: { onStep: ({ step }) => step === 3 && abort.abort() },
    });
    expect(broken).toMatchObject({ status: "interrupted", steps: 3 });
    expect(readdirSync(folder)).not.toContain("adapter");

    const resumed = await train(config, { engine, resume: broken.checkpoint! });
    expect(resumed).toMatchObject({ status: "complete", steps: 4 });
    expect(resumed.records.map(({ loss }) => loss)).toEqual(unbroken.records.map(({ loss }) => loss));
    expect(resumed.shares).toEqual(unbroken.shares);
    expect(adapterBytes().equals(expected)).toBe(true);
  });

  it("writes what it was trained on beside the adapter", async () => {
    const { shares } = await train(configOf(), { engine });
    const sidecar = JSON.parse(readFileSync(join(folder, "adapter", "ibert.json"), "utf8")) as Record<
      string,
      unknown
    >;
    expect(sidecar).toMatchObject({
      base: "smollm2-135m",
      dsl: { name: "ibis-framework", version: "12.0.0" },
      training: { steps: 4, seed: 1 },
    });
    expect(JSON.stringify(sidecar["prompts"])).toContain("# SQL: {input}");
    expect(shares.sql_to_ibis.rows).toBeGreaterThan(0);
    expect(shares.qa.rows).toBe(0);
  });

  it("refuses to resume with another configuration, and names what changed", async () => {
    const { checkpoint } = await train(configOf(), { engine });
    await expect(train(configOf({ lora: { rank: 4 } }), { engine, resume: checkpoint! })).rejects.toThrow(
      /another lora/,
    );
  });

  it("names a row that has nothing to learn, an empty corpus and an unknown task", async () => {
    const config = configOf();
    writeCorpus([row(0), row(1, " ")]);
    await expect(train(config, { engine })).rejects.toThrow(/train\.jsonl:2: row row-1/);
    writeCorpus([]);
    await expect(train(config, { engine })).rejects.toThrow(/train\.jsonl: the corpus is empty/);
    writeCorpus([{ ...row(0), task: "poetry" as never }]);
    await expect(train(config, { engine })).rejects.toThrow(/train\.jsonl:1: unknown task "poetry"/);
  });

  it("refuses a backend that is not there instead of taking another", async () => {
    await expect(train(configOf({ backend: "no-such" }), { engine })).rejects.toThrow(
      /backend no-such is not installed/,
    );
  });

  it("stops at a gradient that is not finite, names the op, and keeps the last checkpoint", async () => {
    const config = configOf({
      optimizer: { learningRate: 1e30, warmupSteps: 0 },
      checkpoint: { everySteps: 1 },
    });
    await expect(train(config, { engine })).rejects.toThrow(
      /step \d+: .* not finite: \w+: \w+ is not finite/,
    );
    expect(readdirSync(folder)).not.toContain("adapter");
    const state = await loadCheckpoint(join(folder, ".adapter-checkpoints"));
    expect(state.step).toBeGreaterThan(0);
  });
});

describe("checkpoints", () => {
  const state = async () => loadCheckpoint((await train(configOf(), { engine })).checkpoint!);

  it("survive a disk that fills while the next one is written", async () => {
    const saved = await state();
    const root = join(folder, ".adapter-checkpoints");
    const before = readdirSync(root);
    const atomic = { fileSystem: fullDisk(1000) };
    await expect(saveCheckpoint(root, { ...saved, step: 9 }, { keep: 2, atomic })).rejects.toThrow(
      /full|space/i,
    );
    expect(readdirSync(root)).toEqual(before);
    expect((await loadCheckpoint(root)).step).toBe(saved.step);
  });
});
