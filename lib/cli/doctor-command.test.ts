import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterEach, describe, expect, it, vi } from "vitest";

import type { Diagnosis } from "../diagnosis/diagnose.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { OP_NAMES } from "../runtime/ops.generated.js";
import { ibert } from "./testing/run-program.js";

async function diagnosis(): Promise<{ code: number; found: Diagnosis }> {
  const { code, stdout } = await ibert(["doctor", "--quick", "--json"]);
  return { code, found: JSON.parse(stdout) as Diagnosis };
}

describe("ibert doctor", () => {
  it("finds the CPU and the reference, and says what CUDA and Metal lack", async () => {
    const { code, found } = await diagnosis();
    expect(code).toBe(0);
    const [cpu, reference, ...others] = found.backends;
    for (const backend of [cpu, reference]) {
      expect(backend?.available).toBe(true);
      expect(Object.keys(backend?.kernels ?? {})).toEqual([...OP_NAMES]);
    }
    expect(found.instructionSets).toContain("generic");
    expect(found.instructionSets).toContain(cpu?.device?.architecture);
    for (const { name, available, reason, help } of others) {
      if (available) continue;
      expect(reason).toContain(name);
      // A library that is here but finds no driver says itself what to install.
      expect(`${reason} ${help}`).toMatch(/needs|driver/);
    }
  });

  it("has a verdict on each part, and shows nobody's folder", async () => {
    const folder = temporaryFolder();
    vi.stubEnv("HOME", folder);
    const config = join(folder, "run.yaml");
    writeFileSync(config, `base: smollm2-135m\ncorpus: ${folder}/quickstart\noutput: o\nsteps: 1\n`);
    const { code, stdout } = await ibert(["doctor", "--quick", "--config", config]);
    vi.unstubAllEnvs();
    expect(code).toBe(0);
    const verdicts = new Map(
      [...stdout.matchAll(/^(\S.*?) +(ok|absent|warning|broken) +/gm)].map(([, a, b]) => [a, b]),
    );
    expect(Object.fromEntries(verdicts)).toMatchObject({
      ...{
        node: "ok",
        system: "ok",
        addon: "ok",
        "backend cpu": "ok",
        wheels: "ok",
        duckdb: "ok",
        models: "ok",
      },
      ...{ sandbox: expect.any(String), disk: expect.any(String), memory: expect.any(String) },
      config: "warning",
    });
    expect(stdout).toMatch(
      /^config .*the corpus ~\/quickstart is not there\. npx ibert data build --config quickstart/m,
    );
    expect(stdout).not.toContain(folder);
  });

  it("says of a configuration that cannot be read why, and ends with 1", async () => {
    const config = join(temporaryFolder(), "run.yaml");
    writeFileSync(config, "base: smollm2-135m\ncorpus: c\noutput: o\nstepz: 1\n");
    const { code, stdout } = await ibert(["doctor", "--quick", "--config", config, "--json"]);
    expect(code).toBe(1);
    const { parts } = JSON.parse(stdout) as Diagnosis;
    expect(parts.find(({ part }) => part === "config")).toMatchObject({
      verdict: "broken",
      reason: expect.stringContaining("stepz"),
    });
  });

  it("says what judges SQL", async () => {
    const { found } = await diagnosis();
    expect(found.sqlJudge).toEqual({ duckdb: expect.stringMatching(/^\d+\.\d+/) as string });
    const { stdout } = await ibert(["doctor", "--quick"]);
    expect(stdout).toContain(`DuckDB ${found.sqlJudge.duckdb} for its own dialect`);
  });

  it("names the kernel of every op", async () => {
    const { stdout } = await ibert(["doctor", "--quick"]);
    for (const op of OP_NAMES) expect(stdout).toMatch(new RegExp(`^${op} +\\S+ +float64`, "m"));
  });

  describe("on a system that is too old for the package's binaries", () => {
    const header = { glibcVersionRuntime: "2.17" } as const;
    const onIt = async (): Promise<Diagnosis["platform"]> => {
      vi.spyOn(process.report, "getReport").mockReturnValue({ header });
      return (await diagnosis()).found.platform;
    };
    afterEach(() => {
      vi.unstubAllEnvs();
      vi.restoreAllMocks();
    });

    it.runIf(process.platform === "linux")("says so where the addon does not load", async () => {
      const path = join(temporaryFolder(), "ibert.node");
      writeFileSync(path, "no library");
      vi.stubEnv("IBERT_ADDON", path);
      const problem = expect.stringMatching(/^This Linux has glibc 2\.17; 2\.28 is needed/) as string;
      expect(await onIt()).toMatchObject({ glibc: "2.17", problem });
      const { code, stdout } = await ibert(["doctor", "--quick"]);
      expect(code).toBe(1);
      expect(stdout).toMatch(/^system +broken .*, glibc 2\.17\. This Linux has glibc 2\.17/m);
      expect(stdout).toMatch(/^addon +broken .*does not load.*ibert\.node/m);
    });

    it.runIf(process.platform === "linux")("has nothing to say where a build of its own runs", async () => {
      const found = await onIt();
      expect(found.glibc).toBe("2.17");
      expect(found).not.toHaveProperty("problem");
    });
  });

  it("says why the CPU cannot run with an instruction set of another machine", async () => {
    vi.stubEnv("IBERT_CPU_ISA", process.arch === "x64" ? "neon" : "avx2");
    try {
      const { code, found } = await diagnosis();
      expect(code).toBe(1);
      expect(found.parts.filter(({ verdict }) => verdict === "broken").map(({ part }) => part)).toEqual([
        "backend cpu",
      ]);
      expect(found.backends[0]).toMatchObject({
        name: "cpu",
        available: false,
        reason: expect.stringContaining("ISA"),
      });
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
