import { describe, expect, it } from "vitest";
import { interval, pairedDifference, passAtK } from "./bootstrap.js";

const halves = (right: number, of: number): number[] =>
  Array.from({ length: of }, (_, i) => (i < right ? 1 : 0));

describe("interval", () => {
  it("is about as wide as theory says, and the same each time", () => {
    const [low, high] = interval(halves(100, 200));
    // 1.96 · √(0.25 / 200) = 0.069
    expect(Math.abs(0.5 - low - 0.069)).toBeLessThan(0.011);
    expect(Math.abs(high - 0.5 - 0.069)).toBeLessThan(0.011);
    expect(interval(halves(100, 200))).toEqual([low, high]);
  });

  it("has no width where all values are the same, and none of no values", () => {
    expect(interval([1, 1, 1])).toEqual([1, 1]);
    expect(interval([])).toEqual([0, 0]);
  });
});

describe("pairedDifference", () => {
  it("sees through what both have in common", () => {
    const a = halves(50, 100);
    const b = a.map((value, i) => (i >= 90 ? 1 : value));
    const found = pairedDifference(a, b);
    expect(found).toMatchObject({ rows: 100, p: 0 });
    expect(found.difference).toBeCloseTo(0.1, 12);
    expect(found.interval[0]).toBeGreaterThan(0.03);
  });

  it("finds nothing between the same, or where differences cancel", () => {
    expect(pairedDifference([1, 0, 1], [1, 0, 1])).toMatchObject({ difference: 0, p: 1, interval: [0, 0] });
    const found = pairedDifference(halves(10, 20), halves(10, 20).reverse());
    expect(found.difference).toBe(0);
    expect(found.p).toBeGreaterThan(0.5);
  });
});

describe("passAtK", () => {
  it("is one less the share of draws of k without a right answer", () => {
    const draws = (n: number, k: number): number => (k === 0 ? 1 : (n / k) * draws(n - 1, k - 1));
    for (const [n, right, k] of [
      [5, 2, 1],
      [5, 2, 3],
      [10, 1, 4],
      [8, 0, 5],
    ] as const) {
      expect(passAtK(n, right, k)).toBeCloseTo(1 - draws(n - right, k) / draws(n, k), 12);
    }
    expect(passAtK(5, 3, 3)).toBe(1);
  });
});
