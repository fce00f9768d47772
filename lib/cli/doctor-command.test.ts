import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterEach, describe, expect, it, vi } from "vitest";

import type { Diagnosis } from "../diagnosis/diagnose.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { OP_NAMES } from "../runtime/ops.generated.js";
import { ibert } from "./testing/run-program.js";

async function diagnosis(): Promise<{ code: number; found: Diagnosis }> {
  const { code, stdout } = await ibert(["doctor", "--json"]);
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
      if (!available)
        expect({ reason, help }).toEqual({
          reason: expect.stringContaining(name),
          help: expect.stringMatching(/needs|driver/),
        });
    }
  });

  it("says what judges SQL", async () => {
    const { found } = await diagnosis();
    expect(found.sqlJudge).toEqual({ duckdb: expect.stringMatching(/^\d+\.\d+/) as string });
    const { stdout } = await ibert(["doctor"]);
    expect(stdout).toContain(`DuckDB ${found.sqlJudge.duckdb} for its own dialect`);
  });

  it("names the kernel of every op", async () => {
    const { stdout } = await ibert(["doctor"]);
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
      const { code, stdout } = await ibert(["doctor"]);
      expect(code).toBe(1);
      expect(stdout).toMatch(/^system .*, glibc 2\.17\. This Linux has glibc 2\.17/m);
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
