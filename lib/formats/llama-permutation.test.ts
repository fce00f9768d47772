import { describe, expect, it } from "vitest";

import { llamaRowPermutation } from "./llama-permutation.js";

describe("llamaRowPermutation", () => {
  it("undoes what llama.cpp's converter does", () => {
    const heads = 3;
    const headDim = 8;
    // The converter: reshape (heads, 2, headDim / 2), swap the last two axes, flatten.
    const converted: number[] = [];
    for (let head = 0; head < heads; head++) {
      for (let i = 0; i < headDim / 2; i++) {
        for (let side = 0; side < 2; side++) converted.push(head * headDim + (side * headDim) / 2 + i);
      }
    }
    const restored = [...llamaRowPermutation(heads, headDim)].map((row) => converted[row]);
    expect(restored).toEqual(Array.from({ length: heads * headDim }, (_, row) => row));
  });
});
