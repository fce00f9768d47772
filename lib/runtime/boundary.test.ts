/** What the addon refuses by itself, whatever calls it. Damaged calls of all kinds: lib/testing/fuzz. */
import { afterAll, describe, expect, it } from "vitest";

import { addon } from "./native.js";

const native = addon();
const device = new native.Device("cpu", 1, 0);
const buffer = new native.Buffer(device, 4096, false);
const planned = new native.Buffer(device, Number.MAX_SAFE_INTEGER, true);
const F32 = 1;
const I32 = 4;
const tensor = (
  offset: unknown,
  shape: unknown,
  dtype: unknown = F32,
  layout: unknown = 0,
  of = buffer,
): unknown => Reflect.construct(native.Tensor, [of, offset, shape, dtype, layout]);
const numberOf = (name: string): number => native.describeOps().findIndex((op) => op.name === name);

afterAll(() => {
  buffer.free();
  planned.free();
  device.close();
});

describe("the addon", () => {
  it.each([
    // A sum that leaves 64 bits would lie in any buffer.
    ["an offset that wraps around", () => tensor(2 ** 63, [4]), /offset is not a whole number/],
    [
      "an offset behind the buffer",
      () => tensor(2 ** 53 - 8, [4]),
      /does not lie in its buffer of 4096 bytes/,
    ],
    ["an offset that is no number", () => tensor(NaN, [4]), /offset is not a whole number/],
    ["a product that wraps around to 0", () => tensor(0, [2 ** 32, 2 ** 32]), /more elements than 2\^48/],
    ["… hidden by an empty dimension", () => tensor(0, [2 ** 32, 0, 2 ** 32]), /more elements than 2\^48/],
    ["… in planned memory", () => tensor(0, [2 ** 40, 2 ** 40], F32, 0, planned), /more elements than 2\^48/],
    ["a dimension that is half a number", () => tensor(0, [1.5]), /a dimension is not a whole number/],
    ["a dimension in a string", () => tensor(0, ["4"]), /a dimension is not a whole number/],
    ["a shape that is no array", () => tensor(0, 4), /shape is not an array/],
    [
      "a layout that there is not",
      () => tensor(0, [4, 4], F32, 7),
      /a layout is not a whole number from 0 to 1/,
    ],
    [
      "a buffer of NaN bytes",
      () => new native.Buffer(device, NaN, true),
      /size of a buffer is not a whole number/,
    ],
    [
      "rows times columns that wrap around",
      () => device.packedBytes(F32, 2 ** 40, 2 ** 40),
      /columns is not/,
    ],
    ["an op that is no number", () => native.checkOp(NaN), /number of an op is not a whole number/],
    ["more threads than there are", () => new native.Device("cpu", 1e9, 0), /threads must be in/],
    [
      "a file's end that wraps around",
      () => native.mapFile(process.execPath, 2 ** 53 - 1, 4096),
      /do not lie in/,
    ],
  ])("refuses %s", (_, call, message) => {
    expect(call).toThrow(message);
  });

  it.each(["workspaceBytes", "whyUnsupported", "kernelName"] as const)(
    "asks a backend for %s only of arguments that agree",
    (name) => {
      const [heads, kvHeads, headDim] = [-2, 1, 0];
      const empty = tensor(0, [3, 0]) as never;
      const offsets = tensor(0, [2], I32) as never;
      const lse = tensor(0, [3, 2]) as never;
      const attention = [empty, offsets, empty, lse, heads, kvHeads, headDim, 1] as const;
      expect(() => device[name](numberOf("attentionForward"), ...attention)).toThrow(/^attentionForward: /);
    },
  );

  it("takes no array over memory that threads share, and none that is gone", () => {
    const stream = new native.Stream(device);
    const four = tensor(0, [4]) as never;
    expect(() => stream.write(four, new Float32Array(new SharedArrayBuffer(16)))).toThrow(/threads share/);
    const gone = new Float32Array(4);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    expect(() => stream.write(four, gone)).toThrow(/0 bytes, the tensor 16/);
    stream.close();
  });

  it("looks whether it is still open after it has read an array", () => {
    const own = new native.Device("cpu", 1, 0);
    const memory = new native.Buffer(own, 64, false);
    const shape = [2, 2];
    Object.defineProperty(shape, 1, {
      get() {
        memory.free();
        own.close();
        return 2;
      },
    });
    expect(() => Reflect.construct(native.Tensor, [memory, 0, shape, F32, 0])).toThrow(
      /the buffer was freed/,
    );
  });
});
