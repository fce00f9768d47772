import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, describe, expect, it } from "vitest";

import { interval } from "../../lib/evaluation/bootstrap.ts";
import { pairedScores } from "../../lib/evaluation/report/summary.ts";
import { readScores } from "../../lib/evaluation/score-log.ts";
import { collect } from "./collect.mjs";
import { Numbers } from "./numbers.mjs";
import { resultsPage } from "./page.mjs";
import { best, readPlan, trainingSettings } from "./plan.mjs";
import { Stages } from "./stages.mjs";
import { RunState, SittingOver } from "./state.mjs";

const folder = mkdtempSync(join(tmpdir(), "ibert-results-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const planOf = (name) => readPlan(fileURLToPath(new URL(name, import.meta.url)));

/** Stands for ibert's programs: writes what they leave. It is cut off where a file says so. */
const PROGRAM = `
import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
const program = basename(process.argv[1], ".js");
const args = process.argv.slice(2);
const log = process.env.IBERT_TEST_LOG;
appendFileSync(log, JSON.stringify([program, ...args]) + "\\n");
const option = (name) => args[args.indexOf(name) + 1];
const settings = Object.fromEntries(args.flatMap((arg, i) => (args[i - 1] === "--set" ? [arg.split(/=(.*)/s)] : [])));
const write = (path, text) => (mkdirSync(join(path, ".."), { recursive: true }), writeFileSync(path, text));
const end = (kind) => {
  if (!existsSync(log + "." + kind)) return;
  rmSync(log + "." + kind);
  process.kill(process.pid, "SIGINT");
};
if (args[0] === "data") {
  write(join(option("--output"), "manifest.json"), JSON.stringify({ counts: { train: { sql_to_ibis: 2 } }, settings: {} }));
} else if (program === "ibert-train") {
  const { output, steps } = settings;
  write(join(output, "..", ".adapter-checkpoints", "run-1", "step-000005", "state.json"), "{}");
  end("train");
  write(join(output, "adapter_model.safetensors"), "x".repeat(2 ** 20));
  const targets = (settings["lora.targets"] ?? "q_proj").split(",");
  write(join(output, "report", "run.json"), JSON.stringify({
    config: { lora: { rank: 8, alpha: 16, targets }, optimizer: { learningRate: 1e-3 } },
    steps: Array.from({ length: Number(steps) }, () => ({ tokens: 512, loss: 1 })),
    trainingSeconds: 2, measurements: [],
    machine: { processor: "P", cores: 2, memoryBytes: 2 ** 33, system: "linux x64", node: "20" }, device: { name: "D" },
  }));
  if (settings["rft.adapter"] !== undefined) {
    const score = { id: "a", task: "sql_to_ibis", passed: {}, execution: { equal: true } };
    write(output + "-rft/scores.jsonl", "{}\\n" + JSON.stringify({ subject: "0", answer: 0, score }) + "\\n");
    write(output + "-rft/corpus/train.jsonl", JSON.stringify({ task: "sql_to_ibis", source: "rejection sampling" }) + "\\n");
  }
} else {
  const subjects = args.includes("--compare") ? [0, 1, 2, 3] : [args.join(" ").includes("all-r4") ? 3 : 2];
  const lines = subjects.flatMap((good, subject) =>
    Array.from({ length: 10 }, (_, i) => {
      const execution = { equal: i < 2 * good, constantEqual: false, neighbours: 5, killed: 4 };
      const score = { id: "row" + i, task: i < 5 ? "sql_to_ibis" : "qa", holdsCode: true, exact: false, passed: { compile: true }, execution };
      return JSON.stringify({ subject: String(subject), answer: i, score });
    }));
  end("evaluate");
  write(join(option("--output"), "scores.jsonl"), ["{}", ...lines].join("\\n") + "\\n");
}
`;

describe("a run of results", () => {
  const plan = planOf("trial.yaml");
  const cli = join(folder, "cli");
  mkdirSync(cli);
  writeFileSync(join(cli, "package.json"), '{"type":"module"}');
  for (const name of ["ibert", "ibert-train"]) writeFileSync(join(cli, `${name}.js`), PROGRAM);
  const log = join(folder, "log");
  const output = join(folder, "run");
  const said = [];

  async function sitting() {
    process.env.IBERT_TEST_LOG = log;
    writeFileSync(log, "");
    const say = (text) => said.push(text);
    const state = new RunState(output, { ...plan, speeds: undefined }, { say });
    try {
      const numbers = new Numbers({ readScores, interval, pairedScores });
      const stages = new Stages(state, plan, { cli, commit: "abc", numbers, say });
      return await collect(stages, await stages.run());
    } finally {
      state.close();
    }
  }
  const ran = () =>
    readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));

  it("goes on where it was cut off, chooses by valid, and answers each other split once", async () => {
    writeFileSync(`${log}.train`, "");
    await expect(sitting()).rejects.toThrow(SittingOver);
    expect(ran()).toHaveLength(2);
    writeFileSync(`${log}.evaluate`, "");
    await expect(sitting()).rejects.toThrow(SittingOver);
    expect(ran()[0]).toEqual(expect.arrayContaining(["ibert-train", "--resume"]));
    const found = await sitting();
    const programs = ran();
    expect(programs[0].slice(0, 2)).toEqual(["ibert", "evaluate"]);
    // The best of the first round, whose settings all later trainings have.
    expect(found.grid.lora.chosen).toBe("all-r4");
    expect(found.grid.data.chosen).toBe("as before");
    expect(found.grid.lora.cells["attention-r8"].againstChosen.difference).toBe(-0.2);
    const final = programs.find((args) => args.includes(`output=${join(output, "final", "adapter")}`));
    expect(final).toEqual(expect.arrayContaining(["lora.rank=4", "steps=20", "optimizer.warmupSteps=2"]));
    expect(final.join()).not.toContain("curriculum=length");
    for (const split of ["test", "test_schema"]) {
      expect(programs.filter((args) => args.includes(split))).toHaveLength(1);
    }
    expect(programs.filter((args) => args.includes("rft"))).toHaveLength(1);

    const { subjects, ...difference } = found.splits.test;
    expect(subjects.tuned.all.equal).toMatchObject({ rows: 10, share: 0.4 });
    expect(difference["tuned + rft against tuned"].all).toMatchObject({ rows: 10, difference: 0.2 });
    expect(found.sampling).toEqual({
      counts: { sql_to_ibis: { sampled: 1, passed: 1 } },
      kept: { sql_to_ibis: 1 },
    });
    expect(found.stages.map(({ sittings }) => sittings).slice(0, 3)).toEqual([1, 2, 2]);
    const page = resultsPage(found);
    expect(page).toContain("| all | tuned + rft | 10 | 10 | 60.0 %");
    expect(page).toContain("npx ibert evaluate --base smollm2-135m --adapter OUTPUT/final/adapter");
    expect(page).not.toMatch(/undefined|NaN/);

    await sitting();
    expect(ran()).toEqual([]);
  });

  it("refuses a folder of another plan, and one where a program is at work", () => {
    const other = { ...plan, speeds: undefined, final: { tokens: 1, measurements: 1 } };
    expect(() => new RunState(output, other)).toThrow(/another final/);
    const [held, same] = [join(folder, "held"), { a: 1 }];
    mkdirSync(held);
    writeFileSync(join(held, "lock.json"), JSON.stringify({ pids: [process.ppid] }));
    expect(() => new RunState(held, same)).toThrow(/is at work there/);
    writeFileSync(join(held, "lock.json"), JSON.stringify({ pids: [2 ** 22 + 1] }));
    new RunState(held, same).close();
  });

  it("makes steps of tokens, and takes the first of equals", () => {
    const whole = planOf("plan.yaml");
    const { steps, settings } = trainingSettings(whole, whole.final.tokens, ["data.gradientAccumulation=2"]);
    expect(steps).toBe(952);
    expect(settings).toContain("optimizer.warmupSteps=29");
    const cells = [
      { name: "a", accuracy: 0.2 },
      { name: "b", accuracy: 0.3 },
      { name: "c", accuracy: 0.3 },
    ];
    expect(best(cells).name).toBe("b");
  });
});
