import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

import { describe, expect, it } from "vitest";

import { bf16ToFloat, floatToBf16 } from "./bf16.js";
import { Device } from "./device.js";
import { addon } from "./native.js";
import { OP_NAMES } from "./ops.generated.js";
import { Tensor } from "./tensor.js";

const addonPath = fileURLToPath(new URL("../../build/Release/ibert.node", import.meta.url));

describe.each(["cpu", "reference"])("the %s backend", (backend) => {
  it("runs every op of the table under a named kernel", () => {
    const device = Device.open(backend);
    for (const op of OP_NAMES) expect(device.kernelName(op), op).toEqual(expect.any(String));
  });

  it("says what memory it has, and whose that is", () => {
    const { memoryBytes, availableBytes, maxBufferBytes, sharesHostMemory } = Device.open(backend).info;
    expect(availableBytes).toBeGreaterThan(0);
    expect(availableBytes).toBeLessThanOrEqual(memoryBytes);
    expect(maxBufferBytes).toBeLessThanOrEqual(memoryBytes);
    expect(sharesHostMemory).toBe(true);
    expect(Device.open(backend).info.roundsRows).toBe(false);
  });

  it("plans for another machine's architecture only where it can", () => {
    const { architecture } = Device.open(backend).info;
    expect(Device.open(backend, { planned: architecture }).planned).toBe(true);
    expect(() => Device.open(backend, { planned: "sm_90" })).toThrow(
      new RegExp(`plans for this machine alone, which is ${architecture}, not for sm_90`),
    );
  });

  it("names the kernel that some operands take", () => {
    const device = Device.open(backend);
    const gateUp = device.empty([3, 8], "f32");
    const y = device.empty([3, 4], "f32");
    expect(device.kernelName("swigluForward", { gateUp, y })).toBe(device.kernelName("swigluForward"));
  });

  it("runs ops in order and reads results back", async () => {
    const device = Device.open(backend);
    const x = device.from(Float32Array.of(3, 4, 0, 0), [1, 4], "f32");
    const weight = device.from(Float32Array.of(1, 1, 1, 1), [4], "f32");
    const y = device.empty([1, 4], "f32");
    device.ops.rmsNormForward({ x, weight, y, eps: 0 });
    const [a, b] = await device.readFloats(y);
    // mean of squares: 25 / 4
    expect(a).toBeCloseTo(3 / 2.5, 6);
    expect(b).toBeCloseTo(4 / 2.5, 6);
  });

  it("keeps keys and values in q8_0", async () => {
    const device = Device.open(backend);
    // One head of 32: q, k and v. Attention to a single position is its value.
    const qkv = Float32Array.from({ length: 96 }, (_, i) => (i < 64 ? 1 : i - 80));
    const args = { qkv: device.from(qkv, [1, 96], "f32"), heads: 1, kvHeads: 1, headDim: 32 };
    const kCache = device.empty([2, 1, 4, 32], "q8_0");
    const vCache = device.empty([2, 1, 4, 32], "q8_0");
    const one = (value: number, shape: number[]) => device.from(Int32Array.of(value), shape, "i32");
    const y = device.empty([1, 32], "f32");
    device.ops.kvCacheWrite({ ...args, slots: one(4, [1]), kCache, vCache });
    device.ops.pagedAttention({
      ...args,
      kCache,
      vCache,
      blockTable: one(1, [1, 1]),
      rowSequence: one(0, [1]),
      rowPosition: one(0, [1]),
      y,
      scale: 1,
    });
    const values = await device.readFloats(y);
    for (let i = 0; i < 32; i++) expect(Math.abs((values[i] ?? NaN) - (i - 16))).toBeLessThan(16 / 127);
    expect(() => device.empty([2, 1, 4, 40], "q8_0")).toThrow(/q8_0 comes in blocks of 32.*\(2, 1, 4, 40\)/);
  });

  it("tells at the fence which op failed, skips what follows, and goes on afterwards", async () => {
    const device = Device.open(backend);
    const table = device.from(Float32Array.of(1, 2), [2, 1], "f32");
    const y = device.from(Float32Array.of(7), [1, 1], "f32");
    device.ops.embedding({ ids: device.from(Int32Array.of(5), [1], "i32"), table, y });
    device.ops.embedding({ ids: device.from(Int32Array.of(0), [1], "i32"), table, y });
    await expect(device.synchronize()).rejects.toThrow(/embedding: .*5/);
    expect(await device.readFloats(y)).toEqual(Float32Array.of(7));
    device.ops.embedding({ ids: device.from(Int32Array.of(1), [1], "i32"), table, y });
    expect(await device.readFloats(y)).toEqual(Float32Array.of(2));
  });

  it("names the op that first wrote a value that is not finite", async () => {
    const device = Device.open(backend);
    device.checkFinite(true);
    const x = device.from(Float32Array.of(NaN, 1), [1, 2], "f32");
    const y = device.empty([1, 1], "f32");
    device.ops.swigluForward({ gateUp: x, y });
    await expect(device.synchronize()).rejects.toThrow(
      /swigluForward: y is not finite, first at element 0 of 1/,
    );
  });
});

describe("a device", () => {
  const device = Device.open("cpu");

  it("refuses wrong shapes, dtypes, names and handles with the op and field", () => {
    const x = device.empty([2, 4], "f32");
    const weight = device.empty([3], "f32");
    const y = device.empty([2, 4], "f32");
    const norm: Device["ops"]["rmsNormForward"] = (args) => device.ops.rmsNormForward(args);
    expect(() => norm({ x, weight, y })).toThrow(/rmsNormForward: weight has shape \(3\), but D = 4/);
    expect(() => norm({ x, weight: device.empty([4], "i32"), y })).toThrow(
      /weight is i32, expected f64 or f32/,
    );
    expect(() => norm({ x, y } as never)).toThrow(/rmsNormForward: weight is missing/);
    expect(() => norm({ x, weight, y, epsilon: 1 } as never)).toThrow(/there is no argument epsilon/);
    expect(() => norm({ x: { native: {} } as never, weight, y })).toThrow(/x is not a tensor/);
    expect(() => new Tensor(x.buffer, 0, [3, 4], "f32")).toThrow(/does not lie in its buffer/);
    expect(() => device.write(x, new Float32Array(7))).toThrow(/28 bytes, the tensor 32/);
  });

  it("frees a buffer when told to, whatever views of it are about, once its work is done", async () => {
    const device = Device.open("cpu");
    const x = device.from(new Float32Array(1024).fill(2), [4, 256], "f32");
    const view = x.view([256], 256);
    const y = device.empty([4, 128], "f32");
    device.ops.swigluForward({ gateUp: x, y });
    device.free(x);
    expect([...(await device.readFloats(y))].every((value) => Math.abs(value - 3.523188) < 1e-5)).toBe(true);
    expect(() => device.ops.swigluForward({ gateUp: x, y })).toThrow(
      /gateUp lies in a buffer that was freed/,
    );
    expect(() => device.fill(view, 0)).toThrow(/buffer was freed/);
    expect(() => x.view([8])).toThrow(/buffer was freed/);
  });

  it("replays what was recorded on what the operands hold then", async () => {
    const device = Device.open("cpu");
    const x = device.from(new Float32Array(256).fill(1), [1, 256], "f32");
    const y = device.empty([1, 128], "f32");
    const recording = device.record(() => device.ops.swigluForward({ gateUp: x, y }));
    device.write(x, new Float32Array(256).fill(2));
    device.replay(recording);
    expect((await device.readFloats(y))[5]).toBeCloseTo(3.523188, 5);
    device.write(x, new Float32Array(256));
    device.replay(recording);
    expect((await device.readFloats(y))[5]).toBe(0);

    expect(() => device.record(() => device.write(x, new Float32Array(256)))).toThrow(
      /only ops can be recorded/,
    );
    expect(() => Device.open("cpu").replay(recording)).toThrow(/another device/);
    device.freeRecording(recording);
    expect(() => device.replay(recording)).toThrow(/was freed/);
    expect(() => device.replay({ native: {} as never })).toThrow(/expected a recording/);
  });

  it("checks recorded ops once, and names the one that fails", async () => {
    const device = Device.open("cpu");
    const y = device.empty([1, 64], "f32");
    const short = device.empty([1, 100], "f32");
    expect(() => device.record(() => device.ops.swigluForward({ gateUp: short, y }))).toThrow(
      /^swigluForward: /,
    );
    const ids = device.from(new Int32Array([0]), [1], "i32");
    const source = device.from(new Float32Array(4 * 64), [4, 64], "f32");
    const recording = device.record(() => {
      device.ops.gatherRows({ source, rows: ids, target: y });
    });
    device.replay(recording);
    await device.synchronize();
    device.write(ids, new Int32Array([4]));
    device.replay(recording);
    await expect(device.synchronize()).rejects.toThrow(/^gatherRows: /);
  });

  it("counts on the planned device what the real one takes", async () => {
    const use = (on: Device) => {
      const x = on.empty([8, 64], "f32");
      on.ops.swigluForward({ gateUp: on.empty([8, 128], "bf16"), y: x });
      on.free(x);
      on.empty([4, 64], "bf16");
      return on.memory;
    };
    const real = Device.open("cpu");
    const planned = use(real.plan());
    expect(use(real)).toMatchObject({ held: planned.held, peak: planned.peak });
    expect(planned).toMatchObject({ held: 8 * 128 * 2 + 4 * 64 * 2, peak: 8 * 64 * 4 + 8 * 128 * 2 });
    await real.synchronize();
  });

  it("tells V8 of its memory, as much when it goes as when it came", async () => {
    const { held, external } = addon().deviceMemory();
    const grown = (): number => addon().deviceMemory().external - external;
    const heldMore = (): number => addon().deviceMemory().held - held;
    const mib = 2 ** 20;
    const device = Device.open("cpu");
    const x = device.empty([64, mib], "f32");
    device.empty([16, mib], "f32");
    device.arena("a", 16 * mib);
    device.plan().empty([64, mib], "f32");
    const bytes = (64 + 16) * 4 * mib + 16 * mib;
    // Other things come and go meanwhile, none of them so large: devices of other tests are collected too.
    expect(device.memory.held).toBe(bytes);
    expect(Math.abs(heldMore() - bytes)).toBeLessThan(mib);
    expect(Math.abs(grown() - bytes)).toBeLessThan(16 * mib);
    device.free(x);
    device.free(x);
    expect(Math.abs(heldMore() - (bytes - 256 * mib))).toBeLessThan(mib);
    expect(device.memory.held).toBe(bytes - 256 * mib);
    await device.close();
    expect(Math.abs(heldMore())).toBeLessThan(mib);
    expect(Math.abs(grown())).toBeLessThan(16 * mib);
  });

  it("closes: its work runs, its threads and memory go, and its name is in every later error", async () => {
    const device = Device.open("cpu", { threads: 3 });
    const planned = device.plan();
    const x = device.from(new Float32Array(256).fill(2), [1, 256], "f32");
    const y = device.empty([1, 128], "f32");
    const arena = device.arena("a", 4096);
    const recording = device.record(() => device.ops.swigluForward({ gateUp: x, y }));
    device.replay(recording);
    const result = device.readLater(y);
    const pending = device.synchronize();
    const closing = device.close();
    expect(device.close()).toBe(closing);
    expect(device.closed).toBe(true);
    const refused = expect.objectContaining({ code: "device-closed" }) as Error;
    await expect(device.synchronize()).rejects.toThrow(/the device cpu \(.*\) was closed/);
    await closing;
    await pending;
    expect(new Float32Array(result.buffer)[5]).toBeCloseTo(3.523188, 5);
    const uses = [
      () => device.empty([1], "f32"),
      () => device.arena("b", 64),
      () => device.write(x, new Float32Array(256)),
      () => device.fill(x, 0),
      () => device.readLater(x),
      () => device.ops.swigluForward({ gateUp: x, y }),
      () => device.record(() => undefined),
      () => device.replay(recording),
      () => device.checkFinite(true),
      () => device.kernelName("sample"),
      () => device.canPack("f32", 1, 1),
      () => device.plan(),
      () => planned.ops.swigluForward({ gateUp: x, y }),
      () => planned.empty([1], "f32"),
    ];
    for (const use of uses) expect(use, use.toString()).toThrow(refused);
    expect(() => x.view([1])).toThrow(/was freed/);
    // What belongs to it can still be let go of.
    device.free(x);
    arena.free();
    device.freeRecording(recording);
    expect(device.memory.held).toBe(0);
    const other = Device.open("cpu");
    expect(() => other.ops.swigluForward({ gateUp: x, y })).toThrow(/freed|another device/);
    await other.close();
  });

  it("closes although its work failed or was never awaited", async () => {
    const scope = async (): Promise<Device> => {
      await using device = Device.open("cpu");
      const table = device.from(Float32Array.of(1, 2), [2, 1], "f32");
      const ids = device.from(Int32Array.of(5), [1], "i32");
      device.ops.embedding({ ids, table, y: device.empty([1, 1], "f32") });
      return device;
    };
    expect((await scope()).closed).toBe(true);
  });

  it("does not replace a backend that is not there", () => {
    expect(() => Device.open("no-such")).toThrow(
      /backend no-such is not installed: looked for .*libibert-no-such/,
    );
    expect(() => Device.open(addonPath)).toThrow(/no backend library/);
    expect(() => Device.open("cpu", { threads: -1 })).toThrow(/threads must be in/);
  });
});

describe("bf16", () => {
  it("rounds to nearest even and keeps what it can hold", () => {
    const exact = Float32Array.of(0, -0, 1, -2.5, 2 ** 100, Infinity, -Infinity);
    expect(bf16ToFloat(floatToBf16(exact))).toEqual(exact);
    expect(bf16ToFloat(floatToBf16(Float32Array.of(NaN)))[0]).toBeNaN();
    // 1 + 2^-8 lies halfway between 1 and 1 + 2^-7: to the even one; a little more goes up.
    expect(bf16ToFloat(floatToBf16(Float32Array.of(1 + 2 ** -8, 1 + 2 ** -8 + 2 ** -20)))).toEqual(
      Float32Array.of(1, 1 + 2 ** -7),
    );
  });
});

describe("the addon", () => {
  const program = `
    const { parentPort } = require("node:worker_threads");
    const addon = require(${JSON.stringify(addonPath)});
    const device = new addon.Device("cpu", 2, 0);
    const stream = new addon.Stream(device);
    const buffer = new addon.Buffer(device, 1 << 20, false);
    const tensor = new addon.Tensor(buffer, 0, [1024, 256], 1, 0);
    const norms = new addon.Tensor(new addon.Buffer(device, 4, false), 0, [1], 1, 0);
    const flat = new addon.Tensor(buffer, 0, [1024 * 256], 1, 0);
    stream.fill(tensor, 0);
    const gradNorm = addon.describeOps().findIndex(({ name }) => name === "gradNorm");
    for (let i = 0; i < 50; i++) stream.enqueue(gradNorm, flat, norms);
    const result = new Float32Array(1).fill(7);
    stream.read(norms, result);
    const done = stream.synchronize().then(() => result[0]);
  `;

  it("loads in worker threads, several times at once and one after another", async () => {
    const run = () =>
      new Promise((resolve, reject) => {
        const worker = new Worker(`${program}; done.then((value) => parentPort.postMessage(value));`, {
          eval: true,
        });
        let answer: unknown;
        worker.on("message", (value: unknown) => (answer = value));
        worker.on("error", reject);
        worker.on("exit", (code) => resolve({ code, answer }));
      });
    const good = { code: 0, answer: 0 };
    expect(await Promise.all([run(), run(), run()])).toEqual([good, good, good]);
    expect(await run()).toEqual(good);
  });
});
