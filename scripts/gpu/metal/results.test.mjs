/** The script for Macs, as far as it runs elsewhere. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../../../lib/formats/testing/temporary.ts";
import { nameOfResults, resultOf } from "./results.mjs";
import { stepsOf } from "./steps.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const script = join(root, "scripts/gpu/run-metal.sh");
const run = (...words) => spawnSync("bash", [script, ...words], { encoding: "utf8" });

describe("run-metal.sh", () => {
  it("is right for bash", () => {
    execFileSync("bash", ["-n", script]);
  });

  it("says on any machine what it would do, twins before all else that runs", () => {
    const { status, stdout } = run("--dry-run");
    expect(status).toBe(0);
    expect([...stdout.matchAll(/^== (\w+)/gm)].map(([, name]) => name)).toEqual([
      "build",
      "compile",
      "twins",
      "conformance",
      "rows",
      "gradients",
      "agreement",
      "float32",
      "layers",
      "perf",
      "mps",
      "mlx",
    ]);
    expect(stdout).toMatch(/^== twins +IBERT_METAL_FAMILY=6 .*ibert-kernels test --backend metal$/m);
  });

  it.skipIf(process.platform === "darwin")("needs a Mac, and names what it does not know", () => {
    expect(run()).toMatchObject({ status: 2, stderr: expect.stringContaining("no Mac with Apple silicon") });
    expect(run("--dry-run", "--only", "quick")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("there is no step quick; there are build, "),
    });
    expect(run("--dry-run", "--fast")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("--fast"),
    });
  });

  it("writes one file of what came of the steps", () => {
    const out = join(temporaryFolder(), "results", "run.json");
    const ended = run(
      "--backend",
      "cpu",
      "--only",
      "build,conformance,gradients,agreement,mps",
      "--out",
      out,
    );
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const { kind, backend, ok, device, commit, steps } = JSON.parse(readFileSync(out, "utf8"));
    expect({ kind, backend, ok }).toEqual({ kind: "metal-run", backend: "cpu", ok: true });
    expect([typeof device, commit.length >= 7]).toEqual(["string", true]);
    expect(steps).toMatchObject([
      { step: "build", outcome: "skipped", why: "the backend cpu runs on no GPU" },
      {
        step: "conformance",
        outcome: "ok",
        figures: null,
        output: [expect.stringMatching(/^cpu /), expect.stringMatching(/^ok +swigluForward/)],
      },
      {
        step: "gradients",
        outcome: "ok",
        figures: {
          checks: expect.arrayContaining([expect.objectContaining({ gradient: "bf16 dqkv of 64" })]),
        },
        output: [],
      },
      { step: "agreement", outcome: "ok", figures: expect.objectContaining({}), output: [] },
      { step: "mps", outcome: "skipped" },
    ]);
  });
});

describe("what came of a step", () => {
  const step = { name: "perf", command: ["a", "b"], env: { C: "1" }, figures: true };
  it.each([
    ["ok", { status: 0, stdout: '{"a": 1}\n', stderr: "noted" }, { figures: { a: 1 }, output: ["noted"] }],
    ["failed", { status: 0, stdout: '{"a": ', stderr: "" }, { figures: null, output: ['{"a":'] }],
    ["cannot run", { status: 3, stdout: "", stderr: "no device\n" }, { output: ["no device"] }],
    ["failed", { status: 1, stdout: "", stderr: "" }, { output: [] }],
    [
      "timed out",
      { status: null, stdout: "", error: Object.assign(new Error("late"), { code: "ETIMEDOUT" }) },
      {},
    ],
  ])("is %s", (outcome, ended, more) => {
    expect(resultOf(step, ended, 2)).toMatchObject({
      step: "perf",
      outcome,
      seconds: 2,
      command: "C=1 a b",
      ...more,
    });
  });

  it("goes into a file by device and commit, whose name tells a Mac's from a trial's", () => {
    const about = { device: "Apple M2 Pro", commit: "0123456789-changed" };
    expect(nameOfResults("metal", about)).toBe("metal-apple-m2-pro-0123456-changed.json");
    expect(nameOfResults("cpu", { ...about, commit: "0123456789" })).toBe(
      "try-cpu-apple-m2-pro-0123456.json",
    );
  });

  it("is asked of MLX where python3 has it", () => {
    const mlx = (hasMlx) =>
      stepsOf({ backend: "metal", isMac: true, hasMlx, jobs: 8 }).find(({ name }) => name === "mlx").unless;
    expect([mlx(true), mlx(false)]).toEqual([undefined, "python3 has no mlx"]);
  });
});
