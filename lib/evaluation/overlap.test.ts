import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chrF, rougeL } from "./overlap.js";

describe("rougeL", () => {
  it("is the F1 of the longest common subsequence of words", () => {
    // LCS "the cat mat" of 3; 6 and 4 words: 2 · 3 / 10.
    expect(rougeL("the cat sat on the mat", "the cat saw mat")).toBeCloseTo(0.6, 12);
    expect(rougeL("a", "b")).toBe(0);
  });
});

describe("chrF", () => {
  it("averages character n-grams with twice the weight on recall", () => {
    // n = 1: 3 of 3 and 3 of 4; n = 2: 2 of 2 and 2 of 3; n = 3: 1 of 1 and 1 of 2.
    const recall = (3 / 4 + 2 / 3 + 1 / 2) / 3;
    expect(chrF("abcd", "a bc")).toBeCloseTo((5 * recall) / (4 + recall), 12);
  });
});

describe("both", () => {
  it("are 1 for the same text, 0 for an empty answer, and within 0 … 1", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        for (const measure of [chrF, rougeL]) {
          expect(measure(a, b)).toBeGreaterThanOrEqual(0);
          expect(measure(a, b)).toBeLessThanOrEqual(1);
          expect(measure(`x${a}`, `x${a}`)).toBeCloseTo(1, 12);
          expect(measure(`x${a}`, "")).toBe(0);
        }
      }),
    );
  });
});
