import path from "node:path";
import { fileURLToPath } from "node:url";

import { expect, it, vi } from "vitest";

import { Random } from "../data/random.js";
import { loadDecoderWeights } from "../models/device-weights.js";
import { LoraLayout } from "../models/lora.js";
import { resolveSource } from "../models/sources.js";
import { openWeights } from "../models/weights.js";
import { Device } from "../runtime/device.js";
import { InferenceEngine } from "./engine.js";
import { LoraBank } from "./lora-bank.js";

const TINY = path.join(fileURLToPath(new URL("../models/goldens/", import.meta.url)), "tiny-llama");

/** Logits of steps of 1 to 17 rows of two texts, one of them with an adapter; the cache at their end; recordings made. */
async function steps(roundRows: boolean) {
  await using device = Device.open("cpu", { threads: 1 });
  const record = vi.spyOn(device, "record");
  const files = openWeights(await resolveSource(TINY));
  const weights = await loadDecoderWeights(device, files, { weights: "bf16" });
  const layout = new LoraLayout(files.config, { rank: 3, alpha: 6, targets: ["q_proj", "down_proj"] });
  const values = new Float32Array(layout.size);
  const random = Random.of(1, "test");
  for (const { offset, shape } of layout.matrices) {
    for (let i = 0; i < shape[0] * shape[1]; i++) values[offset + i] = random.float() - 0.5;
  }
  const bank = new LoraBank(device, files.config, [{ layout, values }], "bf16");
  using engine = new InferenceEngine({ device, config: files.config, weights }, bank, {
    activations: "bf16",
    maxRows: 20,
    maxSequences: 2,
    maxPositions: 512,
    roundRows,
  });
  for (const cache of [...engine.cache.keys, ...engine.cache.values]) device.fill(cache, 0);
  const [plain, adapted] = [
    { blocks: [], length: 0 },
    { blocks: [], length: 0 },
  ];
  const logits: number[][] = [];
  for (let rows = 1; rows <= 17; rows++) {
    const tokens = Array.from({ length: rows }, (_, i) => (i * 5 + rows) % 50);
    const [own, other] = [tokens.slice(0, Math.ceil(rows / 3)), tokens.slice(Math.ceil(rows / 3))];
    const inputs = [{ sequence: adapted, tokens: own, adapter: 0, outputs: 1 }];
    if (other.length > 0) {
      inputs.push({ sequence: plain, tokens: other, adapter: -1, outputs: other.length - 1 });
    }
    engine.step(inputs);
    const outputs = inputs.reduce((sum, input) => sum + input.outputs, 0);
    logits.push([...(await device.readFloats(engine.logitsOf(0, outputs)))]);
  }
  const cache: number[][] = [];
  for (const part of [...engine.cache.keys, ...engine.cache.values]) {
    cache.push([...(await device.readFloats(part))]);
  }
  return { logits, cache, recordings: record.mock.calls.length };
}

it("fills steps up with rows that change nothing, where recordings are dear", async () => {
  const exact = await steps(false);
  const rounded = await steps(true);
  expect(exact.recordings).toBe(17);
  // Of 1, 2, 4, 8, 16 and at most 20 rows, with 1 to 16 outputs.
  expect(rounded.recordings).toBeLessThanOrEqual(9);
  expect(rounded.logits).toEqual(exact.logits);
  expect(rounded.cache).toEqual(exact.cache);
});
