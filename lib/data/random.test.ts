import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hash32, Random } from "./random.js";

describe("Random", () => {
  it("is xoshiro128**: the first outputs from state 1, 2, 3, 4", () => {
    const random = Random.fromState([1, 2, 3, 4]);
    expect(Array.from({ length: 4 }, () => random.nextU32())).toEqual([11520, 0, 5927040, 70819200]);
  });

  it("goes on exactly from a saved state", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(50), (seed, skip) => {
        const random = Random.of(seed, "a");
        for (let i = 0; i < skip; i++) random.nextU32();
        const copy = Random.fromState(
          JSON.parse(JSON.stringify(random.state())) as ReturnType<Random["state"]>,
        );
        expect([copy.nextU32(), copy.float()]).toEqual([random.nextU32(), random.float()]);
      }),
    );
  });

  it("gives streams of other names or seeds other numbers", () => {
    const firsts = new Set([Random.of(1, "a"), Random.of(1, "b"), Random.of(2, "a")].map((r) => r.nextU32()));
    expect(firsts.size).toBe(3);
  });

  it("draws by weight, and never what has weight 0", () => {
    const random = Random.of(7);
    const counts = { a: 0, b: 0, c: 0 };
    for (let i = 0; i < 20_000; i++)
      counts[
        random.weighted([
          [3, "a"],
          [1, "b"],
          [0, "c"],
        ] as const)
      ]++;
    expect(counts.a / 20_000).toBeCloseTo(0.75, 1);
    expect(counts.c).toBe(0);
  });

  it("shuffles to a permutation and samples in order", () => {
    fc.assert(
      fc.property(fc.integer(), fc.uniqueArray(fc.nat(), { minLength: 1 }), (seed, items) => {
        const random = Random.of(seed);
        expect(random.shuffled(items).sort((a, b) => a - b)).toEqual([...items].sort((a, b) => a - b));
        const sample = random.sample(items, 3);
        expect(sample).toEqual(items.filter((item) => sample.includes(item)));
        expect(sample.length).toBe(Math.min(3, items.length));
      }),
    );
  });

  it("hashes short texts evenly over 100 buckets", () => {
    const buckets = new Set(Array.from({ length: 2000 }, (_, i) => hash32(`s${i}`) % 100));
    expect(buckets.size).toBe(100);
  });
});
