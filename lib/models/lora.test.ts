import path from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { packRows } from "../data/packing.js";
import { Random } from "../data/random.js";
import { InferenceEngine, type ServedAdapters } from "../generation/engine.js";
import { LoraBank } from "../generation/lora-bank.js";
import { Device } from "../runtime/device.js";
import { TrainStep } from "../training/train-step.js";
import { Decoder } from "./decoder.js";
import { loadDecoderWeights } from "./device-weights.js";
import { LINEAR_GROUPS, LINEAR_MODULES } from "./linears.js";
import { LoraAdapter, LoraLayout } from "./lora.js";
import { resolveSource } from "./sources.js";
import { openWeights } from "./weights.js";

/** Hidden 48 and intermediate 72: with rank 3 next to nothing starts at a multiple of 64 by itself. */
const TINY = path.join(fileURLToPath(new URL("goldens/", import.meta.url)), "tiny-mistral");
const files = openWeights(await resolveSource(TINY));
const CONFIG = { rank: 3, alpha: 6, targets: LINEAR_MODULES };
const layout = new LoraLayout(files.config, CONFIG);
const dense = new LoraLayout(files.config, CONFIG, 1);

describe("the flat buffer of an adapter", () => {
  it("starts every A and B, their gradients and those of a bank at a multiple of 64 elements", () => {
    const device = Device.open("cpu", { planned: true });
    const adapter = new LoraAdapter(device, layout, { training: true });
    const adapters = [1, 2, 3].map(() => ({ layout, values: new Float32Array(layout.size) }));
    const bank = new LoraBank(device, files.config, adapters, "bf16");
    for (let layer = 0; layer < files.config.layers; layer++) {
      for (const group of LINEAR_GROUPS) {
        const { loraA, loraB, dLoraA, dLoraB } = adapter.group(layer, group)!;
        for (const tensor of [loraA, loraB, dLoraA!, dLoraB!]) expect(tensor.byteOffset % 256).toBe(0);
        const banked = bank.group(layer, group)!;
        for (const tensor of [banked.loraA, banked.loraB]) expect(tensor.byteOffset % 128).toBe(0);
      }
    }
    expect(layout.size).toBeGreaterThan(layout.storedSize);
  });

  it("is stored without its gaps, as it would be if there were none", () => {
    const values = layout.initialValues(Random.of(1, "lora"));
    const stored = layout.withoutGaps(values);
    expect(dense.size).toBe(dense.storedSize);
    expect(stored).toEqual(dense.initialValues(Random.of(1, "lora")));
    expect(layout.withGaps(stored)).toEqual(values);
    expect(layout.unpack(values)).toEqual(dense.unpack(stored));
  });
});

it("answers from a bank with the bits that each adapter has alone, whatever lies between its matrices", async () => {
  await using device = Device.open("cpu", { threads: 1 });
  const weights = await loadDecoderWeights(device, files, { weights: "f32" });
  // Powers of two for alpha / rank, which is multiplied into B.
  const adapters = [
    { rank: 2, alpha: 4, targets: ["q_proj", "v_proj", "down_proj"] as const },
    { rank: 4, alpha: 4, targets: ["o_proj", "gate_proj"] as const },
  ].map((config, seed) => {
    const own = new LoraLayout(files.config, config);
    const random = Random.of(seed, "bank");
    const values = new Float32Array(own.size);
    for (const { offset, shape } of own.matrices) {
      for (let i = 0; i < shape[0] * shape[1]; i++) values[offset + i] = random.float() - 0.5;
    }
    return { layout: own, values };
  });
  const answer = async (served: ServedAdapters, adapter: number): Promise<number[]> => {
    const sizes = { maxRows: 16, maxSequences: 1, maxPositions: 64 };
    using engine = new InferenceEngine({ device, config: files.config, weights }, served, {
      activations: "f32",
      ...sizes,
    });
    engine.step([{ sequence: { blocks: [], length: 0 }, tokens: [3, 1, 4, 1, 5], adapter, outputs: 5 }]);
    return [...(await device.readFloats(engine.logitsOf(0, 5)))];
  };
  using bank = new LoraBank(device, files.config, adapters, "f32");
  for (const [i, { layout: own, values }] of adapters.entries()) {
    using alone = new LoraAdapter(device, own, { training: false });
    alone.load(values);
    expect(await answer(bank, i)).toEqual(await answer(alone, 0));
  }
  expect(await answer(bank, 0)).not.toEqual(await answer(bank, 1));
});

it("trains to the same bits with gaps and without", async () => {
  const train = async (which: LoraLayout) => {
    await using device = Device.open("cpu", { threads: 2 });
    const adapter = new LoraAdapter(device, which, { training: true });
    adapter.load(which.initialValues(Random.of(1, "lora")));
    const weights = await loadDecoderWeights(device, files, { weights: "bf16" });
    const options = { activations: "bf16", recompute: "none" } as const;
    const hyper = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.1, maxGradNorm: 0.5 };
    const step = new TrainStep(new Decoder(device, files.config, weights, adapter, options), hyper, 64);
    const results: { loss: number; gradNorm: number }[] = [];
    for (let i = 1; i <= 20; i++) {
      const ids = Int32Array.from({ length: 60 }, (_, t) => (t * t + i) % 40);
      const batch = packRows([{ id: "row", row: 0, task: "qa", ids, promptLength: 4 }], 64, 0);
      results.push(await step.run([batch], i, 0.01));
    }
    const { m, v } = await step.optimizer.state();
    return { results, values: [await adapter.read(), m, v] };
  };
  const [gaps, none] = [await train(layout), await train(dense)];
  expect(gaps.results).toEqual(none.results);
  expect(gaps.results.at(-1)!.loss).toBeLessThan(0.9 * gaps.results[0]!.loss);
  // More than the clip, so that the norm is in every bit.
  expect(gaps.results[0]!.gradNorm).toBeGreaterThan(0.5);
  gaps.values.forEach((values, i) => {
    expect(layout.withoutGaps(values)).toEqual(none.values[i]);
    expect(layout.withGaps(layout.withoutGaps(values))).toEqual(values);
  });
});
