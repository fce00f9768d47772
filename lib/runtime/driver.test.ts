/** A backend whose driver is missing, too old or broken, over libraries that stand in for it (native/tests/). */
import * as childProcess from "node:child_process";
import { cpSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { ibert } from "../cli/testing/run-program.js";
import type { Diagnosis } from "../diagnosis/diagnose.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { addonPath } from "./native.js";
import { runtimeBeside } from "./testing/build-beside.js";

vi.mock("node:child_process", { spy: true });
const { spawnSync } = vi.mocked(childProcess);

const folder = join(dirname(addonPath()), "..", "testing");
const driver = (version: number): string => join(folder, `libibert_fake_driver_${version}.so`);
const driven = (path: string): void => cpSync(join(folder, "libibert_driven.so"), path);

/** How often a driver was asked; that the addon itself was tried is no matter here. */
const asked = (): number =>
  spawnSync.mock.calls.filter(([, words]) => words?.[0]?.endsWith("probe-driver.mjs")).length;

function stub(environment: Record<string, string>): void {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
}

beforeEach(() => {
  vi.stubEnv("CUDA_VISIBLE_DEVICES", undefined);
  spawnSync.mockReset(); // to what it spies on
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const GOOD = { IBERT_TEST_DRIVER: driver(13000), IBERT_TEST_DEVICE: "90" };
const SOON = { IBERT_PROBE_SECONDS: "2" };

// What is wrong, how it is called, whether `auto` warns of it, and what the error says.
const CASES: [string, Record<string, string>, string, boolean, RegExp][] = [
  [
    "no driver",
    { IBERT_TEST_DRIVER: join(folder, "libnot-there.so.1") },
    "no-driver",
    false,
    /cannot run here: no NVIDIA driver: cannot open .*libnot-there.*Install the driver/,
  ],
  [
    "a driver that is too old",
    { ...GOOD, IBERT_TEST_DRIVER: driver(12080) },
    "driver-too-old",
    true,
    /too old: it runs CUDA up to 12.8, and this library needs 13.0. Install driver 580/,
  ],
  [
    "a library that is no driver",
    { ...GOOD, IBERT_TEST_DRIVER: join(folder, "libibert_driven.so") },
    "driver-broken",
    true,
    /no working NVIDIA driver: .*Install the driver anew/,
  ],
  [
    "a driver that fails",
    { ...GOOD, IBERT_FAKE_DRIVER: "fail" },
    "driver-broken",
    true,
    /no working NVIDIA driver/,
  ],
  [
    "a driver that crashes",
    { ...GOOD, IBERT_FAKE_DRIVER: "crash" },
    "crashed",
    true,
    /a process of its own that opened it was ended by SIGSEGV\. .*nvidia-smi/,
  ],
  [
    "a driver that hangs",
    { ...GOOD, ...SOON, IBERT_FAKE_DRIVER: "hang" },
    "hung",
    true,
    /had no answer after 2 s\. .*nvidia-smi.*IBERT_PROBE_SECONDS/,
  ],
  [
    "no device",
    { ...GOOD, IBERT_TEST_DEVICE: "none" },
    "no-device",
    true,
    /shows no device: .*nvidia-smi -L/,
  ],
  [
    "devices that somebody hid",
    { ...GOOD, IBERT_TEST_DEVICE: "none", CUDA_VISIBLE_DEVICES: "" },
    "no-device",
    false,
    /shows no device, and CUDA_VISIBLE_DEVICES is "": unset it/,
  ],
  [
    "a device of another architecture",
    { ...GOOD, IBERT_TEST_DEVICE: "75" },
    "architecture",
    true,
    /NVIDIA T4 has compute capability 7.5, and this library has code for 8.0 and later/,
  ],
];

describe.runIf(process.platform === "linux" && process.arch === "x64")("a backend with a driver", () => {
  it.each(CASES)(
    "is passed over by auto for %s, and never replaced",
    async (_, environment, obstacle, warns, reason) => {
      const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
      stub(environment);
      const { Device } = await runtimeBeside(driven);
      for (let i = 0; i < 2; i++) {
        await using device = Device.open("auto");
        expect(device.info.backend).toBe("cpu");
        expect(device.info.passedOver[0]).toEqual({
          backend: "cuda",
          installed: true,
          obstacle,
          reason: expect.stringMatching(reason) as string,
        });
      }
      expect(warning).toHaveBeenCalledTimes(warns ? 1 : 0);
      expect(() => Device.open("cuda")).toThrow(reason);
      expect(() => Device.open("cuda")).toThrow(
        expect.objectContaining({ code: "backend-unavailable" }) as Error,
      );
      // The driver was opened once, and not here.
      expect(asked()).toBe(1);
    },
  );

  it.each(CASES)("is explained by the doctor: %s", async (_, environment, obstacle, __, reason) => {
    stub(environment);
    await runtimeBeside(driven);
    const { stdout } = await ibert(["doctor", "--quick", "--json"]);
    const { backends, auto } = JSON.parse(stdout) as Diagnosis;
    const cuda = backends.find(({ name }) => name === "cuda");
    expect(cuda).toEqual({
      name: "cuda",
      available: false,
      obstacle,
      reason: expect.stringMatching(reason) as string,
    });
    expect(auto).toMatchObject({
      takes: "cpu",
      passedOver: [{ backend: "cuda", reason: cuda?.reason }, { backend: "metal" }],
    });
  });

  it("is taken where all is well, after one look at its driver", async () => {
    stub(GOOD);
    const { Device } = await runtimeBeside(driven);
    for (const name of ["auto", "cuda"]) {
      await using device = Device.open(name);
      expect(device.info).toMatchObject({ backend: "driven", passedOver: [] });
    }
    expect(asked()).toBe(1);
  });

  it("is asked in this process where that is wished, and for a plan not at all", async () => {
    stub({ IBERT_PROBE_SECONDS: "0", ...GOOD, IBERT_TEST_DRIVER: driver(12080) });
    const { Device } = await runtimeBeside(driven);
    expect(() => Device.open("cuda")).toThrow(/too old/);
    stub({ IBERT_PROBE_SECONDS: "", IBERT_FAKE_DRIVER: "crash" });
    expect(() => Device.open("cuda", { planned: "sm_90" })).toThrow(/plans for this machine alone/);
    await using cpu = Device.open("cpu");
    expect(cpu.info.backend).toBe("cpu");
    expect(asked()).toBe(0);
  });

  it("is not asked again by the next program, until the library is another", async () => {
    stub({ ...GOOD, IBERT_CACHE: temporaryFolder() });
    const next = async (): Promise<void> => {
      vi.resetModules();
      const { Device } = await import("./device.js");
      await using device = Device.open("cuda");
      expect(device.info.backend).toBe("driven");
    };
    await runtimeBeside(driven);
    await next();
    await next();
    expect(asked()).toBe(1);
    const library = join(dirname(process.env["IBERT_ADDON"] ?? ""), "libibert-cuda.so");
    utimesSync(library, new Date(0), new Date(0));
    await next();
    expect(asked()).toBe(2);
  });

  it("says so where no process can be started", async () => {
    stub(GOOD);
    const { Device } = await runtimeBeside(driven);
    const error = Object.assign(new Error("Access to this API has been restricted"), {
      code: "ERR_ACCESS_DENIED",
    });
    spawnSync.mockImplementation(() => {
      throw error;
    });
    expect(() => Device.open("cuda")).toThrow(
      /no process could be started .*restricted.*--allow-child-process/,
    );
  });

  it("that is not installed says what it needs", async () => {
    const { Device } = await runtimeBeside(() => undefined);
    expect(() => Device.open("cuda")).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/not installed: looked for .*libibert-cuda/) as string,
        hint: expect.stringMatching(/NVIDIA.*build:cuda.*ibert doctor/) as string,
      }) as Error,
    );
    expect(asked()).toBe(0);
  });
});
