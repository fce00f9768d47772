import { describe, expect, it } from "vitest";

import { Device } from "./device.js";

// The CUDA backend as JavaScript sees it, over the emulator, which is built where CUDA is.
describe.runIf(process.platform === "linux" && process.arch === "x64")("the cuda-emulated backend", () => {
  it("runs ops, reads results back and replays recordings", async () => {
    await using device = Device.open("cuda-emulated");
    const gateUp = device.from(new Float32Array(256).fill(1), [1, 256], "f32");
    const y = device.empty([1, 128], "f32");
    const recording = device.record(() => device.ops.swigluForward({ gateUp, y }));
    device.write(gateUp, new Float32Array(256).fill(2));
    device.replay(recording);
    expect((await device.readFloats(y))[127]).toBeCloseTo(3.523188, 5);
    device.write(gateUp, new Float32Array(256));
    device.replay(recording);
    expect((await device.readFloats(y))[0]).toBe(0);
    expect(device.info).toMatchObject({ architecture: "sm_90", sharesHostMemory: true, roundsRows: true });
  });

  it("tells at the fence which op failed, and goes on afterwards", async () => {
    await using device = Device.open("cuda-emulated");
    const table = device.from(Float32Array.of(1, 2), [2, 1], "f32");
    const y = device.from(Float32Array.of(7), [1, 1], "f32");
    device.ops.embedding({ ids: device.from(Int32Array.of(5), [1], "i32"), table, y });
    await expect(device.synchronize()).rejects.toThrow("embedding: ids[0] is 5, not in [0, 2)");
    device.ops.embedding({ ids: device.from(Int32Array.of(1), [1], "i32"), table, y });
    expect(await device.readFloats(y)).toEqual(Float32Array.of(2));
  });

  it("names the kernel that an operand's place allows", async () => {
    await using device = Device.open("cuda-emulated");
    const memory = device.empty([100], "f32");
    const y = device.empty([1, 8], "f32");
    const path = (start: number): string | null =>
      device.kernelName("swigluForward", { gateUp: memory.view([1, 16], start), y });
    expect([path(0), path(4), path(1)]).toEqual(["vector", "vector", "twin"]);
    expect(device.kernelName("swigluForward")).toBe("vector");
  });

  it("says which memory ran out", async () => {
    await using device = Device.open("cuda-emulated");
    expect(() => device.empty([2 ** 20, 2 ** 20], "f32")).toThrow(/4398046511104 bytes/);
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
