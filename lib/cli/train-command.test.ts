import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import { beforeEach, describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { Device } from "../runtime/device.js";
import type { TrainingPlan } from "../training/plan.js";
import { errorOf, ibertTrain } from "./testing/run-program.js";
import { writeTinyCorpus } from "./testing/tiny-corpus.js";

let folder: string;
let config: string;

beforeEach(() => {
  folder = temporaryFolder();
  config = join(folder, "run.yaml");
  const corpus = writeTinyCorpus(join(folder, "corpus"));
  const lines = ["base: smollm2-135m", `corpus: ${corpus}`, `output: ${join(folder, "adapter")}`, "steps: 2"];
  const settings = [
    "lora: { rank: 4, alpha: 8 }",
    "data: { tokensPerBatch: 64, taskWeights: { error_resolution: 0, qa: 0, function_documentation: 0 } }",
    "evaluation: { rowsPerTask: 1, maxTokens: 4 }",
  ];
  writeFileSync(config, [...lines, ...settings, ""].join("\n"));
});

async function refused(...words: string[]) {
  const ended = await ibertTrain(["--config", config, "--json", ...words]);
  expect(ended.code).toBe(2);
  return errorOf(ended);
}

describe("ibert-train refuses", () => {
  it("an unknown key, which it names", async () => {
    expect(await refused("--set", "optimizer.momentum=0.9")).toMatchObject({
      code: "config-invalid",
      message: expect.stringMatching(/run\.yaml: optimizer: .*momentum/),
      hint: expect.stringContaining("schema.json"),
    });
  });

  it("rank 0 and a setting without a value", async () => {
    expect(await refused("--set", "lora.rank=0")).toMatchObject({
      code: "config-invalid",
      message: expect.stringContaining("lora.rank"),
    });
    expect((await refused("--set", "steps")).code).toBe("setting-invalid");
  });

  it("an unknown task in the weights and in the rows", async () => {
    expect((await refused("--set", "data.taskWeights.dance=1")).message).toContain("dance");
    const file = join(folder, "corpus", "train.jsonl");
    writeFileSync(file, readFileSync(file, "utf8").replace('"task":"sql_to_ibis"', '"task":"dance"'));
    expect(await refused()).toMatchObject({
      code: "task-unknown",
      message: expect.stringContaining("dance"),
    });
  });

  it("an empty corpus and one that is not there", async () => {
    writeFileSync(join(folder, "corpus", "train.jsonl"), "\n");
    expect((await refused()).code).toBe("corpus-empty");
    expect((await refused("--set", `corpus=${join(folder, "nothing")}`)).code).toBe("corpus-missing");
  });

  it("a row with nothing to learn, which it names", async () => {
    const file = join(folder, "corpus", "train.jsonl");
    writeFileSync(file, readFileSync(file, "utf8").replace('"completion":"limit(3)"', '"completion":""'));
    expect(await refused()).toMatchObject({
      code: "row-unsupervised",
      message: expect.stringContaining("train-code_completion-3"),
    });
  });

  it("a backend that is not there", async () => {
    for (const words of [
      ["--backend", "cuda"],
      ["--backend", "cuda", "--dry-run"],
    ]) {
      expect(await refused(...words)).toMatchObject({
        code: "backend-unavailable",
        message: expect.stringContaining("cuda"),
      });
    }
  });

  it("to run without a configuration, and to resume from nothing", async () => {
    const ended = await ibertTrain(["--json"]);
    expect(ended.code).toBe(2);
    expect(errorOf(ended).code).toBe("config-missing");
    mkdirSync(join(folder, "empty"));
    expect((await refused("--resume", join(folder, "empty"))).message).toContain("empty");
  });
});

describe("ibert-train", () => {
  it("proposes settings that fit where a run does not, and those do", async () => {
    const plan = ["--dry-run", "--set", `data.tokensPerBatch=${2 ** 20}`];
    const refusal = await ibertTrain(["--config", config, "--json", ...plan]);
    expect(refusal.code).toBe(2);
    const { code, message, hint } = errorOf({
      ...refusal,
      stdout: refusal.stdout.trim().split("\n").at(-1)!,
    });
    expect(code).toBe("memory");
    expect(message).toMatch(
      /the run needs \d+ MiB: process .*, activations \d+ MiB or generation .* are available/,
    );
    const settings = [...(hint ?? "").matchAll(/--set (\S+)/g)].map(([, setting]) => setting as string);
    expect(settings.join(" ")).toMatch(
      /^model\.recompute=\w+ data\.tokensPerBatch=\d+ data\.gradientAccumulation=\d+$/,
    );
    const fitting = settings.flatMap((setting) => ["--set", setting]);
    const ended = await ibertTrain(["--config", config, ...plan, ...fitting]);
    expect(ended.code).toBe(0);
    expect(ended.stdout).toMatch(/^memory .*: process .*\n +.* are available\n24 training rows\n/);
  });

  it("plans for a device by name, and only plans", async () => {
    expect(await refused("--device", "sm_90")).toMatchObject({
      code: "argument-invalid",
      message: expect.stringContaining("--dry-run"),
    });
    expect(await refused("--dry-run", "--backend", "cpu", "--device", "sm_90")).toMatchObject({
      code: "backend-unavailable",
      message: expect.stringContaining("sm_90"),
    });
    const { architecture } = Device.open("cpu", { planned: true }).info;
    const words = ["--config", config, "--dry-run", "--backend", "cpu", "--device", architecture];
    expect(await ibertTrain(words)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^memory /) });
  });

  it("plans without training", async () => {
    const ended = await ibertTrain(["--config", config, "--dry-run", "--json"]);
    expect(ended.code).toBe(0);
    const plan = JSON.parse(ended.stdout) as Record<keyof TrainingPlan, number>;
    expect(plan).toMatchObject({ event: "plan", rows: 24 });
    const { process, weights, adapter, activations, generation, workspace, total } = plan;
    expect(total).toBe(process + weights + adapter + Math.max(activations, generation) + workspace);
    expect(generation).toBeGreaterThan(activations);
    expect(plan.weights).toBeGreaterThan(80e6);
  });

  it("trains, measures, reports, and does it again only when something changed", async () => {
    const first = await ibertTrain(["--config", config]);
    expect(first.stderr).toMatch(
      /step 2\/2 {2}loss \d+\.\d+ {2}\d+ tokens\/s {2}0:00 left {2}\d.* {2}executes equal (\d+ %|–)/,
    );
    expect(first).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/task +rows +equal before +after/),
    });
    const page = readFileSync(join(folder, "adapter", "report", "report.html"), "utf8");
    expect(page).toContain("test-sql_to_ibis-11");
    const again = await ibertTrain(["--config", config, "--reuse"]);
    expect(again).toMatchObject({ code: 0, stderr: "", stdout: expect.stringContaining("nothing to do") });
    const changed = await ibertTrain(["--config", config, "--reuse", "--set", "steps=1", "--json"]);
    const events = changed.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string });
    expect(changed.code).toBe(0);
    expect(new Set(events.map(({ event }) => event))).toEqual(
      new Set(["loaded", "plan", "evaluating", "evaluation", "step", "complete"]),
    );
    expect(events.at(-1)).toMatchObject({ event: "complete", steps: 1, adapter: join(folder, "adapter") });
  });
});
