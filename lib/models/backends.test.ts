/** A backend that has no machine here, over the emulator: the tiny model trains and answers as it does on the CPU. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { packRows } from "../data/packing.js";
import { Batcher } from "../generation/batcher.js";
import { InferenceEngine } from "../generation/engine.js";
import { Device } from "../runtime/device.js";
import { TrainStep } from "../training/train-step.js";
import { Decoder } from "./decoder.js";
import { loadDecoderWeights } from "./device-weights.js";
import { LINEAR_MODULES } from "./linears.js";
import { LoraAdapter, LoraLayout } from "./lora.js";
import { resolveSource } from "./sources.js";
import type { GoldenRow } from "./testing/harness.js";
import { openWeights } from "./weights.js";

const TINY = path.join(fileURLToPath(new URL("goldens/", import.meta.url)), "tiny-llama");
const STEPS = 20;
/** Where the two best ids are closer than this, rounding decides, and the backends may differ. */
const CLOSE = 0.05;

const { rows } = JSON.parse(readFileSync(path.join(TINY, "batch.json"), "utf8")) as { rows: GoldenRow[] };

interface Run {
  losses: number[];
  gradNorms: number[];
  /** Greedy answers of the trained adapter, and the log-probability of each id. */
  said: { ids: number[]; logprobs: number[] }[];
}

async function run(backend: string, activations: "bf16" | "f32"): Promise<Run> {
  await using device = Device.open(backend, { threads: 1 });
  const files = openWeights(await resolveSource(TINY));
  const { config } = files;
  const weights = await loadDecoderWeights(device, files, { weights: activations });
  const layout = new LoraLayout(config, { rank: 4, alpha: 8, targets: LINEAR_MODULES });
  const adapter = new LoraAdapter(device, layout, { training: true });
  const values = new Float32Array(layout.size);
  // A fixed pattern for A; B starts at 0, as in training.
  for (const { part, offset, shape } of layout.matrices) {
    for (let i = 0; part === "A" && i < shape[0] * shape[1]; i++)
      values[offset + i] = Math.sin(offset + i) / 8;
  }
  adapter.load(values);
  device.fill(adapter.grads!, 0);
  const decoder = new Decoder(device, config, weights, adapter, { activations, recompute: "none" });
  const budget = 40;
  const tokenized = rows.map(({ ids, mask }, row) => ({
    id: String(row),
    row,
    task: "qa" as const,
    ids: Int32Array.from(ids),
    promptLength: mask.indexOf(1),
  }));
  const batch = packRows(tokenized, budget, 0);
  const options = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maxGradNorm: 1 };
  using step = new TrainStep(decoder, options, budget);
  const losses: number[] = [];
  const gradNorms: number[] = [];
  for (let i = 1; i <= STEPS; i++) {
    const { loss, gradNorm } = await step.run([batch], i, 2e-3);
    losses.push(loss);
    gradNorms.push(gradNorm);
  }
  const sizes = { activations, maxRows: 32, maxSequences: 4, maxPositions: 512 };
  using engine = new InferenceEngine({ device, config, weights }, adapter, sizes);
  const batcher = new Batcher(engine);
  const said = await Promise.all(
    rows.map(({ ids }) => batcher.complete(ids.slice(0, 6), { maxTokens: 12, stopIds: [] })),
  );
  return { losses, gradNorms, said: said.map(({ ids, logprobs }) => ({ ids, logprobs })) };
}

/** Computed once for all backends. */
const onCpu: { bf16?: Promise<Run>; f32?: Promise<Run> } = {};

describe
  .runIf(process.platform === "linux" && process.arch === "x64")
  .each(["cuda-emulated", "metal-emulated"])("on %s", (backend) => {
  it.each(["f32", "bf16"] as const)(
    "the tiny model learns and answers as on the CPU, in %s",
    async (activations) => {
      const expected = await (onCpu[activations] ??= run("cpu", activations));
      const actual = await run(backend, activations);
      expect(expected.losses[STEPS - 1]).toBeLessThan(0.8 * (expected.losses[0] as number));
      const allowed = activations === "f32" ? 1e-5 : 0.01;
      actual.losses.forEach((loss, i) => {
        const theirs = expected.losses[i] as number;
        expect(Math.abs(loss - theirs) / theirs, `loss of step ${i + 1}`).toBeLessThan(allowed);
      });
      expect(actual.gradNorms[0]).toBeCloseTo(expected.gradNorms[0] as number, activations === "f32" ? 4 : 1);
      let compared = 0;
      actual.said.forEach(({ ids, logprobs }, i) => {
        const theirs = expected.said[i] as Run["said"][number];
        for (const [at, id] of ids.entries()) {
          if (id !== theirs.ids[at]) {
            // The one was nearly as likely as the other; what follows is another text.
            expect(Math.abs((logprobs[at] as number) - (theirs.logprobs[at] as number))).toBeLessThan(CLOSE);
            return;
          }
          compared++;
        }
      });
      expect(compared).toBeGreaterThan(20);
    },
    240_000,
  );
});
