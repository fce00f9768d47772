import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { dequantize } from "./dequantize.js";
import { DTYPES as RUNTIME_DTYPES } from "../runtime/tensor.js";
import { BLOCK_DTYPES, type DType } from "./dtypes.js";

const { types } = JSON.parse(readFileSync(new URL("./goldens/dequantize.json", import.meta.url), "utf8")) as {
  types: Record<string, { bytes: string; floats: string }>;
};

describe("dequantize", () => {
  it.each(Object.entries(types))("gives the bits of the gguf package for %s", (dtype, { bytes, floats }) => {
    const values = dequantize(dtype as DType, Buffer.from(bytes, "base64"));
    expect(values.length).toBeGreaterThan(31);
    expect(Buffer.from(values.buffer).toString("base64")).toBe(floats);
  });

  it("knows the types whose goldens are stored", () => {
    expect(Object.keys(types).sort()).toEqual([
      "BF16",
      "F16",
      "Q4_0",
      "Q4_1",
      "Q4_K",
      "Q5_0",
      "Q5_1",
      "Q5_K",
      "Q6_K",
      "Q8_0",
    ]);
  });

  it("converts every type of weights that the kernels compute with", () => {
    const known = RUNTIME_DTYPES.map((dtype) => dtype.toUpperCase()).filter(
      (dtype) => BLOCK_DTYPES.has(dtype as DType) || ["F32", "F16", "BF16"].includes(dtype),
    );
    expect(known.length).toBeGreaterThan(10);
    for (const dtype of known) expect(dequantize(dtype as DType, new Uint8Array(0)), dtype).toHaveLength(0);
  });

  it("refuses a part of a block and a type that it does not convert", () => {
    expect(() => dequantize("Q8_0", new Uint8Array(35))).toThrow(
      /35 bytes are no whole number of Q8_0 blocks/,
    );
    expect(() => dequantize("Q2_K", new Uint8Array(84), "m.gguf: tensor x")).toThrow(
      /^m\.gguf: tensor x: Q2_K is not converted/,
    );
  });
});
