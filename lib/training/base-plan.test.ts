import { describe, expect, it } from "vitest";

import { loadPreset } from "../models/presets.js";
import { openSmolLM2 } from "../models/testing/smollm2.js";
import { rowMajorBytes } from "../runtime/tensor.js";
import { planBase, PRECISIONS, type BasePlan } from "./base-plan.js";
import { parseTrainingConfig } from "./config.js";
import { trainable } from "./parts.js";
import { planMemory } from "./plan.js";

const SERVING = { positions: 4096, maxSequences: 8, cache: "bf16" } as const;
const DEVSTRAL = loadPreset("devstral-small-2505").config;

const runOf = (tokensPerBatch: number, recompute = "none") =>
  parseTrainingConfig(
    {
      ...{ base: "smollm2-135m", output: "adapter", corpus: "corpus", steps: 1 },
      ...{ data: { tokensPerBatch }, model: { weights: "bf16", recompute } },
    },
    "test",
  );

const planDevstral = (memory: number, tokens = 2048): Promise<BasePlan> =>
  planBase(DEVSTRAL, { backend: "cpu", memory }, runOf(tokens), SERVING);

describe("a plan of a base", () => {
  it("is to the byte what a run on its files plans, and what an engine holds", async () => {
    const { precisions } = await planBase(
      loadPreset("smollm2-135m").config,
      { backend: "cpu" },
      runOf(512),
      SERVING,
    );
    // K types come in blocks of 256, which 576 columns are not.
    expect(precisions.map(({ precision }) => precision)).toEqual(["bf16", "q8_0", "q4_0"]);
    const [bf16] = precisions;
    expect(bf16?.training.map(({ recompute }) => recompute)).toEqual(["none", "mlp", "layer"]);
    for (const need of bf16?.training ?? []) {
      await using session = await openSmolLM2({ planned: true, weights: "bf16" });
      const plan = planMemory(session, () => trainable(session, runOf(512, need.recompute)).step);
      expect(need).toMatchObject({
        ...{ weights: plan.weights, activations: plan.activations, workspace: plan.workspace },
        ...{ total: plan.device, tokensPerBatch: 512 },
      });
      expect(need.adapter + need.moments).toBe(plan.adapter);
      // As many moments as parameters and gradients, and the norm.
      expect(need.moments - need.adapter).toBeGreaterThanOrEqual(0);
      expect(need.moments - need.adapter).toBeLessThan(1024);
    }
  });

  it("counts Devstral's weights, LoRA and cache as their shapes do", async () => {
    const { precisions } = await planDevstral(80e9);
    const matrices = 2 * 131_072 * 5120 + 40 * (5120 * (4096 + 1024 + 1024 + 4096) + 3 * 5120 * 32_768);
    const vectors = 4 * (81 * 5120 + 128);
    const lora = 4 * 40 * 32 * (2 * (5120 + 4096) + 2 * (5120 + 1024));
    // 128 blocks of 32 positions, and one begun for each of 8 sequences.
    const cache = 40 * 2 * (128 + 8) * 32 * 8 * 128 * 2;
    const [bf16, q8_0] = precisions;
    expect(bf16?.serving).toMatchObject({ weights: 2 * matrices + vectors, adapter: lora, cache });
    expect(bf16?.training[0]).toMatchObject({ weights: 2 * matrices + vectors, adapter: 2 * lora });
    expect(q8_0?.serving.weights).toBeGreaterThanOrEqual((matrices / 32) * 34 + vectors);
    for (const { precision, training, serving } of precisions) {
      const { weights, adapter, activations, workspace, total } = serving;
      // Loading has the embedding twice, as it is stored and packed.
      const loading = rowMajorBytes([DEVSTRAL.vocabSize, DEVSTRAL.hiddenSize], precision);
      expect(total).toBe(weights + Math.max(loading, adapter + cache + activations) + workspace);
      const [none, mlp, layer] = training.map((need) => need.activations);
      expect(none).toBeGreaterThan(mlp ?? NaN);
      expect(mlp).toBeGreaterThan(layer ?? NaN);
    }
  });
});

describe("what a plan proposes", () => {
  it.each([16e9, 24e9, 48e9, 80e9])("for %d bytes fits, and nothing better does", async (memory) => {
    const { precisions, training, serving, leastTraining } = await planDevstral(memory);
    expect(leastTraining).toBeUndefined();
    if (training === undefined || serving === undefined) throw new Error("nothing is proposed");
    expect(training.total).toBeLessThanOrEqual(memory);
    expect(serving.total).toBeLessThanOrEqual(memory);

    const own = await planDevstral(memory, training.tokensPerBatch);
    const planOf = (plan: BasePlan) =>
      plan.precisions.find(({ precision }) => precision === training.precision);
    const same = planOf(own)?.training.find(({ recompute }) => recompute === training.recompute);
    expect(training.tokensPerBatch * training.gradientAccumulation).toBe(2048);
    expect(training).toMatchObject({ ...same, gradientAccumulation: training.gradientAccumulation });

    // More precise bases do not fit in the leanest way, nor this one with less computed twice.
    const leanest = await planDevstral(memory, 256);
    for (const { precision, training: needs } of leanest.precisions) {
      if (precision === training.precision) break;
      expect(needs.at(-1)?.total, precision).toBeGreaterThan(memory);
    }
    for (const { recompute, total } of planOf(own)?.training ?? []) {
      if (recompute === training.recompute) break;
      expect(total, recompute).toBeGreaterThan(memory);
    }
    if (training.gradientAccumulation > 1) {
      const twice = await planDevstral(memory, 2 * training.tokensPerBatch);
      expect(planOf(twice)?.training.at(-1)?.total).toBeGreaterThan(memory);
    }
    for (const { precision, serving: need } of precisions) {
      if (precision === serving.precision) break;
      expect(need.total, precision).toBeGreaterThan(memory);
    }
  });

  it("is nothing where nothing fits, with the least that would", async () => {
    const { training, serving, leastTraining } = await planDevstral(8e9);
    expect({ training, serving }).toEqual({ training: undefined, serving: undefined });
    expect(leastTraining).toMatchObject({
      ...{ precision: PRECISIONS.at(-1), recompute: "layer", tokensPerBatch: 256 },
      gradientAccumulation: 8,
    });
    const fits = await planDevstral(leastTraining?.total ?? NaN);
    expect(fits.training).toEqual(leastTraining);
    expect((await planDevstral((leastTraining?.total ?? NaN) - 1)).training).toBeUndefined();
  });
});
