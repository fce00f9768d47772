/** What `auto` says of the backends that it passes over. */
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { afterEach, describe, expect, it, vi } from "vitest";

import { ibert } from "../cli/testing/run-program.js";
import type { Diagnosis } from "../diagnosis/diagnose.js";
import { addonPath } from "./native.js";
import { runtimeBeside } from "./testing/build-beside.js";
import { UNPROVEN } from "./unproven.js";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const garbage = (path: string): void => writeFileSync(path, "no library at all");
const elsewhere = (name: string) => (path: string) => cpSync(join(dirname(addonPath()), name), path);

describe("auto", () => {
  it("says which backends are not installed, and warns of none of them", async () => {
    const warning = vi.spyOn(process, "emitWarning");
    const { Device } = await runtimeBeside(() => undefined);
    await using device = Device.open("auto");
    expect(device.info).toMatchObject({
      backend: "cpu",
      passedOver: [
        {
          backend: "cuda",
          installed: false,
          obstacle: "not-installed",
          reason: expect.stringContaining("looked for") as string,
        },
        { backend: "metal", installed: false },
      ],
    });
    expect(device.plan().info.passedOver).toEqual(device.info.passedOver);
    expect(warning).not.toHaveBeenCalled();
    await using named = Device.open("cpu");
    expect(named.info.passedOver).toEqual([]);
  });

  it.each([
    ["is no library", garbage, /cannot open backend library .*libibert-cuda.so/],
    ["is another's", elsewhere("ibert.node"), /libibert-cuda.so is no backend library/],
  ])("takes the CPU where CUDA's library %s, and says so once", async (_, library, reason) => {
    const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const { Device } = await runtimeBeside(library);
    for (let i = 0; i < 2; i++) {
      await using device = Device.open("auto");
      expect(device.info.backend).toBe("cpu");
      expect(device.info.passedOver[0]).toMatchObject({ backend: "cuda", installed: true });
      expect(device.info.passedOver[0]?.reason).toMatch(reason);
    }
    expect(warning).toHaveBeenCalledTimes(1);
    expect(warning.mock.calls[0]?.[0]).toMatch(/the backend cuda is passed over, cpu is used: /);
    // One that is asked for is never replaced.
    expect(() => Device.open("cuda")).toThrow(reason);
  });

  it("leaves a backend alone that no hardware has run, and whoever names it gets it", async () => {
    const warning = vi.spyOn(process, "emitWarning");
    const ending = process.platform === "darwin" ? "dylib" : "so";
    const { Device } = await runtimeBeside((path) =>
      elsewhere(`libibert-reference.${ending}`)(join(dirname(path), `libibert-metal.${ending}`)),
    );
    await using device = Device.open("auto");
    expect(device.info.backend).toBe("cpu");
    expect(device.info.passedOver[1]).toEqual({
      backend: "metal",
      installed: true,
      obstacle: "unproven",
      reason: expect.stringContaining("emulated only: no Apple GPU") as string,
    });
    expect(warning).not.toHaveBeenCalled();
    await using named = Device.open("metal");
    expect(named.info.backend).toBe("reference");
    const { stdout } = await ibert(["doctor", "--quick", "--json"]);
    const { auto, backends, parts } = JSON.parse(stdout) as Diagnosis;
    expect(auto).toMatchObject({
      takes: "cpu",
      passedOver: [{}, { backend: "metal", reason: UNPROVEN.metal }],
    });
    expect(backends.find(({ name }) => name === "metal")).toMatchObject({ available: true });
    expect(parts.find(({ part }) => part === "backend metal")).toMatchObject({
      verdict: "warning",
      reason: expect.stringContaining("emulated only") as string,
    });
    vi.stubEnv("IBERT_BACKEND", "metal");
    await using fromEnvironment = Device.open("auto");
    expect(fromEnvironment.info.backend).toBe("reference");
  });

  it("is told what no hardware has run as long as no results of any are in the repository", () => {
    const root = join(import.meta.dirname, "../..");
    const ofMetal = readdirSync(join(root, "bench/results")).filter((name) => name.startsWith("metal-"));
    const told = ["docs/performance.md", "docs/gpu.md", "docs/architecture.md"].map((file) =>
      /Metal[^|.]*emulated only|emulated only[^|.]*Metal/i.test(readFileSync(join(root, file), "utf8")),
    );
    const isUnproven = ofMetal.length === 0;
    expect([...told, "metal" in UNPROVEN]).toEqual([isUnproven, isUnproven, isUnproven, isUnproven]);
  });

  it("tells what every candidate said where none can be taken", async () => {
    const { Device } = await runtimeBeside(garbage);
    expect(() => Device.open("auto", { threads: -1 })).toThrow(
      /cannot open backend library(.|\n)*metal is not installed(.|\n)*threads must be in 0..1024/,
    );
  });

  describe("under IBERT_BACKEND", () => {
    it("takes the backend that is named there, where no other is asked for", async () => {
      vi.stubEnv("IBERT_BACKEND", join(dirname(addonPath()), "libibert-reference.so"));
      const { Device } = await runtimeBeside(() => undefined);
      await using device = Device.open("auto");
      expect(device.info).toMatchObject({ backend: "reference", passedOver: [] });
      await using named = Device.open("cpu");
      expect(named.info.backend).toBe("cpu");
    });

    it.each(["", "auto"])("chooses by itself where it is %j", async (value) => {
      vi.stubEnv("IBERT_BACKEND", value);
      const { Device } = await runtimeBeside(() => undefined);
      await using device = Device.open("auto");
      expect(device.info.backend).toBe("cpu");
    });

    it("replaces that backend by no other, and says who asked for it", async () => {
      vi.stubEnv("IBERT_BACKEND", "cuda");
      const { Device } = await runtimeBeside(garbage);
      expect(() => Device.open("auto")).toThrow(
        /^cannot open backend library .*libibert-cuda.so(.|\n)*IBERT_BACKEND asks for cuda; unset it/,
      );
      expect(() => Device.open("cuda")).toThrow(/^((?!IBERT_BACKEND)(.|\n))*$/);
    });

    it("makes the doctor fail where that backend cannot run", async () => {
      vi.stubEnv("IBERT_BACKEND", "cuda");
      await runtimeBeside(garbage);
      const { code, stdout } = await ibert(["doctor", "--quick", "--json"]);
      expect(code).toBe(1);
      expect((JSON.parse(stdout) as Diagnosis).auto).toEqual({
        asked: "cuda",
        passedOver: [
          { backend: "cuda", reason: expect.stringContaining("cannot open backend library") as string },
        ],
      });
    });

    it("has the doctor look at a library that is named by its path", async () => {
      const path = join(dirname(addonPath()), "libibert-reference.so");
      vi.stubEnv("IBERT_BACKEND", path);
      const { code, stdout } = await ibert(["doctor"]);
      expect(code).toBe(0);
      expect(stdout).toContain(`auto: ${path}, IBERT_BACKEND asks for ${path}`);
    });
  });

  it("is explained by the doctor", async () => {
    await runtimeBeside(garbage);
    const { stdout } = await ibert(["doctor", "--quick", "--json"]);
    expect((JSON.parse(stdout) as Diagnosis).auto).toEqual({
      takes: "cpu",
      passedOver: [
        { backend: "cuda", reason: expect.stringContaining("cannot open backend library") as string },
        { backend: "metal", reason: expect.stringContaining("is not installed") as string },
      ],
    });
    expect((await ibert(["doctor"])).stdout).toMatch(
      /^auto: cpu\n {2}not cuda: cannot open backend library/m,
    );
  });
});
