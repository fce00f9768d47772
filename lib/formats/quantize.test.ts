import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { createHash } from "node:crypto";

import { hashUniform } from "../models/testing/hash-init.js";
import { dequantize } from "./dequantize.js";
import type { DType } from "./dtypes.js";
import { floatToHalf, halfToFloat } from "./half.js";
import { quantize, WRITTEN_DTYPES } from "./quantize.js";

const golden = JSON.parse(readFileSync(new URL("./goldens/quantize.json", import.meta.url), "utf8")) as {
  floats: string;
  types: Record<string, string>;
  floatsK: string;
  typesK: Record<string, string>;
  digestsK: Record<string, string>;
};
const decoded = (base64: string): Float32Array =>
  new Float32Array(Uint8Array.from(Buffer.from(base64, "base64")).buffer);
const floats = decoded(golden.floats);
/** 500 blocks of 256 elements, most of them small. */
const many = hashUniform(0x5000, 256 * 500, 1).map((unit) => (unit * unit * unit) / 8);

describe("quantize", () => {
  it.each(Object.entries(golden.types))("gives the bytes of the gguf package for %s", (dtype, bytes) => {
    const ours = quantize(dtype as DType, floats);
    expect(Buffer.from(ours).toString("hex")).toBe(Buffer.from(bytes, "base64").toString("hex"));
  });

  it.each(Object.entries(golden.typesK))(
    "gives ggml's bytes for %s, of odd blocks and many",
    (dtype, bytes) => {
      const ours = quantize(dtype as DType, decoded(golden.floatsK));
      expect(Buffer.from(ours).toString("hex")).toBe(Buffer.from(bytes, "base64").toString("hex"));
      const digest = createHash("sha256")
        .update(quantize(dtype as DType, many))
        .digest("hex");
      expect(digest).toBe(golden.digestsK[dtype]);
    },
  );

  it("has a golden for every type that it writes", () => {
    const types = [...Object.keys(golden.types), ...Object.keys(golden.typesK)];
    expect(types.sort()).toEqual([...WRITTEN_DTYPES].sort());
  });

  it("is the nearer the more bits a type has", () => {
    const errorOf = (dtype: DType): number => {
      const back = dequantize(dtype, quantize(dtype, many));
      return many.reduce((sum, value, i) => sum + (value - back[i]!) ** 2, 0);
    };
    const types: DType[] = ["Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0"];
    const errors = types.map(errorOf);
    expect(errors).toEqual([...errors].sort((one, other) => other - one));
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
    expect(() => quantize("Q3_K", new Float32Array(256), "m.gguf: tensor x")).toThrow(
      /^m\.gguf: tensor x: Q3_K is not written/,
    );
  });
});
