import { describe, expect, it } from "vitest";

import { parseTrainingConfig, type TrainingConfig } from "./config.js";
import { leanerVariants, settingsThatFit } from "./fitting.js";

const configOf = (recompute: string, tokensPerBatch = 2048): TrainingConfig =>
  parseTrainingConfig(
    {
      ...{ base: "b", output: "o", corpus: "c", steps: 1 },
      model: { recompute },
      data: { tokensPerBatch, gradientAccumulation: 3 },
    },
    "test",
  );
const settings = (config: TrainingConfig, longestRow: number): string[] =>
  [...leanerVariants(config, longestRow)].map((variant) => variant.settings.join(" "));

describe("leaner variants of a run", () => {
  it("compute more again before they halve micro-batches, and keep a step's tokens", () => {
    expect(settings(configOf("none"), 100)).toEqual([
      "model.recompute=mlp",
      "model.recompute=layer",
      ...[1024, 512, 256].flatMap((tokens) => {
        const batches = `data.tokensPerBatch=${tokens} data.gradientAccumulation=${(3 * 2048) / tokens}`;
        return [batches, `model.recompute=mlp ${batches}`, `model.recompute=layer ${batches}`];
      }),
    ]);
  });

  it("never compute less again, nor take micro-batches that the longest row does not fit", () => {
    expect(settings(configOf("layer"), 600)).toEqual([
      "data.tokensPerBatch=1024 data.gradientAccumulation=6",
    ]);
    expect(settings(configOf("layer", 300), 100)).toEqual([]);
  });
});

it("proposes the first variant that fits, with its whole configuration asked about", async () => {
  const asked: TrainingConfig[] = [];
  const config = configOf("mlp");
  const found = await settingsThatFit(config, 100, (variant) => {
    asked.push(variant);
    return Promise.resolve(variant.data.tokensPerBatch === 1024 && variant.model.recompute === "layer");
  });
  expect(found).toEqual(["model.recompute=layer", "data.tokensPerBatch=1024", "data.gradientAccumulation=6"]);
  expect(asked).toHaveLength(3);
  expect(asked[0]).toEqual({ ...config, model: { ...config.model, recompute: "layer" } });
  expect(await settingsThatFit(config, 100, () => Promise.resolve(false))).toBeUndefined();
});
