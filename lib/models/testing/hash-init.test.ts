import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { hash32, hashUniform, loraMatrixNumber, signProjections } from "./hash-init.js";

interface HashGolden {
  hash: { stream: number; values: number[] }[];
  uniform: { stream: number; bound: number; values: number[] }[];
  projection: { matrix: number; gradientStream: number; count: number; values: number[] };
}

const golden = JSON.parse(
  readFileSync(new URL("../goldens/hash-init.json", import.meta.url), "utf8"),
) as HashGolden;

describe("the hash generator against its Python twin", () => {
  it.each(golden.hash)("hashes stream $stream to the same bits", ({ stream, values }) => {
    expect(values.map((_, element) => hash32(stream, element))).toEqual(values);
  });

  it.each(golden.uniform)("draws stream $stream to the same bits", ({ stream, bound, values }) => {
    expect([...hashUniform(stream, values.length, bound)]).toEqual(values);
  });

  it("projects a gradient on the same signs", () => {
    const { matrix, gradientStream, count, values } = golden.projection;
    const projected = signProjections(matrix, hashUniform(gradientStream, count, 1));
    projected.forEach((value, index) => expect(value).toBeCloseTo(values[index]!, 12));
    expect(projected).toHaveLength(values.length);
  });

  it("numbers the matrices layer by layer, module by module, A before B", () => {
    expect(loraMatrixNumber(0, "q_proj", "A")).toBe(0);
    expect(loraMatrixNumber(0, "o_proj", "B")).toBe(7);
    expect(loraMatrixNumber(29, "v_proj", "A")).toBe(236);
  });
});
