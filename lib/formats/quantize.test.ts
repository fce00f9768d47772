import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { dequantize, halfToFloat } from "./dequantize.js";
import type { DType } from "./dtypes.js";
import { floatToHalf, quantize, WRITTEN_DTYPES } from "./quantize.js";

const golden = JSON.parse(readFileSync(new URL("./goldens/quantize.json", import.meta.url), "utf8")) as {
  floats: string;
  types: Record<string, string>;
};
const floats = new Float32Array(Uint8Array.from(Buffer.from(golden.floats, "base64")).buffer);

describe("quantize", () => {
  it.each(Object.entries(golden.types))("gives the bytes of the gguf package for %s", (dtype, bytes) => {
    const ours = quantize(dtype as DType, floats);
    expect(Buffer.from(ours).toString("hex")).toBe(Buffer.from(bytes, "base64").toString("hex"));
  });

  it("has a golden for every type that it writes", () => {
    expect(Object.keys(golden.types).sort()).toEqual([...WRITTEN_DTYPES].sort());
  });

  it.each<DType>(["F32", "F16", "BF16"])("changes nothing that %s has already rounded", (dtype) => {
    const bytes = quantize(dtype, floats);
    expect(quantize(dtype, dequantize(dtype, bytes))).toEqual(bytes);
  });

  it("gives back every half-precision number", () => {
    for (let half = 0; half < 0x10000; half++) {
      const value = halfToFloat(half);
      if (Number.isNaN(value)) expect(Number.isNaN(halfToFloat(floatToHalf(value)))).toBe(true);
      else expect(floatToHalf(value)).toBe(half & 0x7fff || Object.is(value, -0) ? half : half & 0x7fff);
    }
  });

  it("refuses a part of a block and a type that it does not write", () => {
    expect(() => quantize("Q8_0", new Float32Array(33))).toThrow(
      /33 elements are no whole number of Q8_0 blocks/,
    );
    expect(() => quantize("Q4_K", new Float32Array(256), "m.gguf: tensor x")).toThrow(
      /^m\.gguf: tensor x: Q4_K is not written/,
    );
  });
});
