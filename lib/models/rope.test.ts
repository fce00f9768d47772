import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { Device } from "../runtime/device.js";
import { rope, splitFrequencies, type RopeParameters } from "./rope.js";

interface Golden {
  cases: {
    name: string;
    headDim: number;
    parameters: RopeParameters;
    frequencies: number[];
    magnitude: number;
  }[];
}

// scripts/goldens/rope.py
const golden = JSON.parse(readFileSync(new URL("goldens/rope.json", import.meta.url), "utf8")) as Golden;

describe("rope", () => {
  it.each(golden.cases)("has transformers' frequencies: $name", ({ headDim, parameters, ...expected }) => {
    const { frequencies, magnitude } = rope(parameters, headDim);
    expect(frequencies).toHaveLength(headDim / 2);
    expect(magnitude).toBeCloseTo(expected.magnitude, 12);
    frequencies.forEach((frequency, i) => {
      const theirs = expected.frequencies[i] as number;
      expect(Math.abs(frequency - theirs) / theirs).toBeLessThan(1e-6);
    });
  });

  it("stretches nothing by a factor of 1", () => {
    const plain = rope({ type: "default", theta: 1e4 }, 64);
    const stretched = rope({ type: "yarn", theta: 1e4, factor: 1, originalContext: 2048 }, 64);
    expect(stretched.magnitude).toBe(1);
    stretched.frequencies.forEach((frequency, i) => {
      expect(frequency).toBeCloseTo(plain.frequencies[i] as number, 15);
    });
  });

  it("keeps angles of long contexts when the frequencies are split", async () => {
    await using device = Device.open("cpu");
    const own = rope({ type: "default", theta: 1e9 }, 128);
    const last = 131071;
    const cosSin = device.empty([1, 128], "f32");
    device.ops.ropeTable({
      positions: device.from(Int32Array.of(last), [1], "i32"),
      frequencies: device.from(splitFrequencies(own), [2, 64], "f32"),
      cosSin,
    });
    const values = await device.readFloats(cosSin);
    own.frequencies.forEach((frequency, i) => {
      expect(values[i]).toBeCloseTo(Math.cos(last * frequency), 6);
      expect(values[64 + i]).toBeCloseTo(Math.sin(last * frequency), 6);
    });
  });
});
