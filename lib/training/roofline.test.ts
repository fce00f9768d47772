import { describe, expect, it } from "vitest";

import { loadPreset } from "../models/presets.js";
import { speedLimits, trainingFlops } from "./roofline.js";

const { config } = loadPreset("devstral-small-2505");
/** Of all matrices but the embedding: 40 layers of q, k, v, o and the MLP, and the head. */
const LAYER = 2 * 4096 * 5120 + 2 * 1024 * 5120 + 3 * 32_768 * 5120;
const PRODUCTS = 40 * LAYER + 131_072 * 5120;
const PEAKS = { bf16FlopsPerSecond: 989.4e12, f32FlopsPerSecond: 66.9e12, bytesPerSecond: 3.35e12 };

describe("the roofline", () => {
  it("counts the products of training, and what is recomputed", () => {
    const adapter = 1e6;
    expect(trainingFlops(config, adapter, "none")).toBe(4 * PRODUCTS + 6e6);
    expect(trainingFlops(config, adapter, "layer")).toBe(4 * PRODUCTS + 2 * 40 * LAYER + 6e6);
    // Gate and up again; their product with the way down is not needed for it.
    expect(trainingFlops(config, adapter, "mlp")).toBe(4 * PRODUCTS + 2 * 40 * 2 * 32_768 * 5120 + 6e6);
  });

  it("bounds decoding by the traffic of the weights, many texts at a time by the products", () => {
    const weights = 2 * (PRODUCTS + 131_072 * 5120);
    const need = { adapterParameters: 0, weights, adapter: 0 };
    const one = speedLimits(config, PEAKS, { ...need, sequences: 1 });
    expect(one.decode).toBeCloseTo(PEAKS.bytesPerSecond / (2 * PRODUCTS), 6);
    expect(one.decodeTogether).toBe(one.decode);
    expect(one.training).toBeUndefined();
    const eight = speedLimits(config, PEAKS, { ...need, sequences: 8 });
    expect(eight.decodeTogether).toBeCloseTo(8 * one.decode, 6);
    const many = speedLimits(config, PEAKS, { ...need, sequences: 1e6, recompute: "none" });
    expect(many.decodeTogether).toBeCloseTo(PEAKS.bf16FlopsPerSecond / (2 * PRODUCTS), 3);
    expect(many.training).toBeCloseTo(PEAKS.bf16FlopsPerSecond / (4 * PRODUCTS), 3);
  });
});
