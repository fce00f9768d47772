/** 50 steps on the batches of PEFT + AdamW. Goldens: scripts/goldens/training_curve.py. */
import { readFileSync } from "node:fs";

import { expect, it } from "vitest";

import { packRows } from "../data/packing.js";
import { Decoder } from "../models/decoder.js";
import { hashAdapter, openSmolLM2 } from "../models/testing/smollm2.js";
import { TrainStep } from "./train-step.js";

const golden = JSON.parse(readFileSync(new URL("goldens/curve.json", import.meta.url), "utf8")) as {
  learningRates: number[];
  losses: number[];
  gradientNorms: number[];
  supervised: number[];
  steps: { ids: number[]; start: number }[][];
};

it("has losses within 1 % of PEFT + AdamW in float32 at every one of 50 steps", async () => {
  const session = await openSmolLM2();
  const adapter = hashAdapter(session, 0);
  const options = { activations: "bf16", recompute: "none" } as const;
  const decoder = new Decoder(session.device, session.config, session.weights, adapter, options);
  const hyper = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maxGradNorm: 1 };
  const budget = Math.max(...golden.steps.map((rows) => rows.reduce((sum, { ids }) => sum + ids.length, 0)));
  const step = new TrainStep(decoder, hyper, budget);
  const deviations: number[] = [];
  const normDeviations: number[] = [];
  for (const [i, rows] of golden.steps.entries()) {
    const packed = packRows(
      rows.map(({ ids, start }, j) => ({
        id: `${i}.${j}`,
        row: j,
        task: "sql_to_ibis" as const,
        ids: Int32Array.from(ids),
        promptLength: start,
      })),
      budget,
      0,
    );
    const result = await step.run([packed], i + 1, golden.learningRates[i] as number);
    expect(result.supervisedTokens).toBe(golden.supervised[i]);
    deviations.push(Math.abs(result.loss / (golden.losses[i] as number) - 1));
    normDeviations.push(Math.abs(result.gradNorm / (golden.gradientNorms[i] as number) - 1));
  }
  console.info(
    `largest deviation of the loss ${(100 * Math.max(...deviations)).toFixed(3)} %, ` +
      `of the gradient's norm ${(100 * Math.max(...normDeviations)).toFixed(2)} %`,
  );
  expect(deviations).toHaveLength(50);
  expect(Math.max(...deviations)).toBeLessThan(0.01);
  await session.dispose();
});
