import { describe, expect, it } from "vitest";

import { judgeParts, type Facts, type Part } from "./parts.js";

const GOOD: Facts = {
  platform: { system: "linux", architecture: "x64", release: "6.1", glibc: "2.36", node: "22.1.0" },
  processor: { name: "p", cores: 8 },
  memory: { totalBytes: 16e9, availableBytes: 8e9 },
  addon: { path: "/a/ibert.node", build: { version: "1.0.0", opTable: "00ff", backendAbi: 4 } },
  backends: [
    {
      name: "cpu",
      available: true,
      device: { name: "p", architecture: "avx2", memoryBytes: 1, threads: 8 },
    },
    {
      name: "cuda",
      available: false,
      obstacle: "not-installed",
      reason: "cuda is not installed",
      help: "Build it.",
    },
  ],
  auto: { takes: "cpu", passedOver: [] },
  instructionSets: ["avx2"],
  cache: { folder: "/c", wheels: "all are here", models: [{ preset: "m", path: "/c/m" }] },
  sandbox: { network: true, limits: true, layers: [], start: { milliseconds: 1500 } },
  sqlJudge: { duckdb: "1.5" },
  disk: { folder: "/c", freeBytes: 50e9 },
};

/** The verdict on one part where some facts are others. */
function partOf(name: string, change: Partial<Facts>): Part | undefined {
  return judgeParts({ ...GOOD, ...change }).find(({ part }) => part === name);
}

describe("judgeParts", () => {
  it("finds nothing wrong where nothing is, and does without what nobody asks for", () => {
    const verdicts = judgeParts(GOOD).map(({ part, verdict }) => `${part} ${verdict}`);
    expect(verdicts).toEqual([
      ...["node ok", "system ok", "addon ok", "backend cpu ok", "backend cuda absent", "wheels ok"],
      ...["sandbox ok", "duckdb ok", "models ok", "disk ok", "memory ok"],
    ]);
  });

  it.each<[string, string, Partial<Facts>, Partial<Part>]>([
    [
      "an old Node",
      "node",
      { platform: { ...GOOD.platform, node: "18.1.0" } },
      { verdict: "broken", fix: "Install Node 20.17 or later." },
    ],
    [
      "a stale addon",
      "addon",
      { addon: { path: "/a", problem: "it is of 0.9", fix: "Install it again." } },
      { verdict: "broken", reason: "it is of 0.9", fix: "Install it again." },
    ],
    [
      "a backend that IBERT_BACKEND asks for",
      "backend cuda",
      { auto: { asked: "cuda", passedOver: [] } },
      { verdict: "broken", reason: "IBERT_BACKEND asks for it, and cuda is not installed", fix: "Build it." },
    ],
    [
      "a backend that the configuration asks for",
      "backend cuda",
      { config: { file: "run.yaml", backend: "cuda" } },
      { verdict: "broken", reason: "run.yaml asks for it, and cuda is not installed" },
    ],
    [
      "a backend that is asked for where there is no addon",
      "backend cuda",
      { backends: [], auto: { asked: "cuda", passedOver: [] } },
      { verdict: "broken", reason: "IBERT_BACKEND asks for it, and it cannot be opened without the addon" },
    ],
    [
      "a driver that is broken, which nobody asks for",
      "backend cuda",
      {
        backends: [
          { name: "cuda", available: false, obstacle: "driver-broken", reason: "no working driver" },
        ],
      },
      { verdict: "warning", reason: "no working driver" },
    ],
    [
      "a CPU that cannot run",
      "backend cpu",
      { backends: [{ name: "cpu", available: false, obstacle: "other", reason: "no such ISA" }] },
      { verdict: "broken" },
    ],
    [
      "a wheel that is missing",
      "wheels",
      { cache: { ...GOOD.cache, wheels: "x.whl is not there", wheelsFix: "fetch it" } },
      { verdict: "broken", reason: "x.whl is not there", fix: "fetch it" },
    ],
    [
      "a sandbox that does not start",
      "sandbox",
      { sandbox: { ...GOOD.sandbox, start: { problem: "it ended with 1" } } },
      { verdict: "broken", reason: "it ended with 1" },
    ],
    [
      "a sandbox without the system's layers",
      "sandbox",
      { sandbox: { network: false, limits: true, layers: [] } },
      {
        verdict: "warning",
        reason: expect.stringMatching(/^not started \(--quick\); the network is not cut off:/),
      },
    ],
    ["no DuckDB", "duckdb", { sqlJudge: {} }, { verdict: "absent", fix: "npm install @duckdb/node-api" }],
    ["no model", "models", { cache: { ...GOOD.cache, models: [{ preset: "m" }] } }, { verdict: "absent" }],
    [
      "a full disk",
      "disk",
      { disk: { folder: "/c", freeBytes: 1e8 } },
      { verdict: "warning", reason: "0.1 GB free at /c" },
    ],
    [
      "a cache that nobody may write",
      "disk",
      { disk: { folder: "/c", freeBytes: 1e12, problem: "no right" } },
      { verdict: "warning", reason: "/c: no right", fix: expect.stringContaining("IBERT_CACHE") },
    ],
    ["little memory", "memory", { memory: { totalBytes: 4e9, availableBytes: 1e9 } }, { verdict: "warning" }],
    [
      "a configuration whose corpus is not there",
      "config",
      { config: { file: "run.yaml", missing: "no corpus", fix: "build it" } },
      { verdict: "warning", reason: "run.yaml: no corpus", fix: "build it" },
    ],
    [
      "a wrong configuration",
      "config",
      { config: { file: "f", problem: "line 3" } },
      { verdict: "broken", reason: "line 3" },
    ],
  ])("names %s", (_, part, change, expected) => {
    expect(partOf(part, change)).toMatchObject(expected);
  });
});
