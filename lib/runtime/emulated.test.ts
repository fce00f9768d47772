import { describe, expect, it } from "vitest";

import { Device } from "./device.js";

// The backends of GPUs as JavaScript sees them, over the emulator, which is built where CUDA is.
const isBuilt = process.platform === "linux" && process.arch === "x64";

describe.runIf(isBuilt).each([
  ["cuda-emulated", { architecture: "sm_90", sharesHostMemory: true, roundsRows: true }],
  ["metal-emulated", { architecture: "emulated", sharesHostMemory: true, roundsRows: false }],
] as const)("the %s backend", (backend, info) => {
  it("runs ops, reads results back and replays recordings", async () => {
    await using device = Device.open(backend);
    const gateUp = device.from(new Float32Array(256).fill(1), [1, 256], "f32");
    const y = device.empty([1, 128], "f32");
    const recording = device.record(() => device.ops.swigluForward({ gateUp, y }));
    device.write(gateUp, new Float32Array(256).fill(2));
    device.replay(recording);
    expect((await device.readFloats(y))[127]).toBeCloseTo(3.523188, 5);
    device.write(gateUp, new Float32Array(256));
    device.replay(recording);
    expect((await device.readFloats(y))[0]).toBe(0);
    expect(device.info).toMatchObject(info);
  });

  it("tells at the fence which op failed, and goes on afterwards", async () => {
    await using device = Device.open(backend);
    const table = device.from(Float32Array.of(1, 2), [2, 1], "f32");
    const y = device.from(Float32Array.of(7), [1, 1], "f32");
    device.ops.embedding({ ids: device.from(Int32Array.of(5), [1], "i32"), table, y });
    await expect(device.synchronize()).rejects.toThrow("embedding: ids[0] is 5, not in [0, 2)");
    device.ops.embedding({ ids: device.from(Int32Array.of(1), [1], "i32"), table, y });
    expect(await device.readFloats(y)).toEqual(Float32Array.of(2));
  });

  it("says which memory ran out", async () => {
    await using device = Device.open(backend);
    expect(() => device.empty([2 ** 20, 2 ** 20], "f32")).toThrow(/4398046511104 bytes/);
  });
});

describe.runIf(isBuilt)("the cuda-emulated backend", () => {
  it("names the kernel that an operand's place allows", async () => {
    await using device = Device.open("cuda-emulated");
    const memory = device.empty([100], "f32");
    const y = device.empty([1, 8], "f32");
    const path = (start: number): string | null =>
      device.kernelName("swigluForward", { gateUp: memory.view([1, 16], start), y });
    expect([path(0), path(4), path(1)]).toEqual(["vector", "vector", "twin"]);
    expect(device.kernelName("swigluForward")).toBe("vector");
  });

  it("plans for an H100 that is not there", () => {
    const device = Device.open("cuda-emulated", { planned: "sm_90" });
    expect(device.info).toMatchObject({
      name: "NVIDIA H100 80GB HBM3 (planned)",
      memoryBytes: 80 * 2 ** 30,
      sharesHostMemory: false,
    });
    const grad = device.empty([2 ** 30], "f32");
    device.ops.gradNorm({ grad, norm: device.empty([1], "f32") });
    expect(() => Device.open("cuda-emulated", { planned: "sm_70" })).toThrow(/known: sm_80, sm_86/);
  });
});

describe.runIf(isBuilt)("the metal-emulated backend", () => {
  it("plans for a chip that is not there", () => {
    const device = Device.open("metal-emulated", { planned: "apple8" });
    expect(device.info).toMatchObject({ name: "Apple M2 (planned)", sharesHostMemory: true });
    const grad = device.empty([2 ** 20], "f32");
    device.ops.gradNorm({ grad, norm: device.empty([1], "f32") });
    expect(() => Device.open("metal-emulated", { planned: "sm_90" })).toThrow(/known: apple7, apple8/);
  });
});
