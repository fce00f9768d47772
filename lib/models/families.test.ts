/** Every family against transformers and PEFT (scripts/goldens/families.py), also far beyond the original context. */
import { describe, expect, it } from "vitest";

import { InferenceEngine } from "../generation/engine.js";
import type { Arena } from "../runtime/arena.js";
import { Device } from "../runtime/device.js";
import type { Tensor } from "../runtime/tensor.js";
import { Decoder, type DeviceBatch } from "./decoder.js";
import { loadDecoderWeights } from "./device-weights.js";
import { LINEAR_MODULES } from "./linears.js";
import { LoraAdapter, LoraLayout } from "./lora.js";
import { resolveSource } from "./sources.js";
import {
  FAMILIES,
  familyAdapter,
  familyFolder,
  familyGolden,
  familyPath,
  familyRows,
  type Family,
} from "./testing/families.js";
import { goldenTensor, nmse, uploadRows, type GoldenRow } from "./testing/harness.js";
import { openWeights } from "./weights.js";

type Work = (decoder: Decoder, batch: DeviceBatch, arena: Arena) => Tensor;

async function load(family: Family, device: Device): Promise<Decoder> {
  const weights = openWeights(await resolveSource(await familyFolder(family)));
  const layout = new LoraLayout(weights.config, { rank: 4, alpha: 8, targets: LINEAR_MODULES });
  const lora = new LoraAdapter(device, layout, { training: true });
  lora.load(familyAdapter(layout));
  device.fill(lora.grads as Tensor, 0);
  const loaded = await loadDecoderWeights(device, weights, { weights: "f32" });
  return new Decoder(device, weights.config, loaded, lora, { activations: "f32", recompute: "none" });
}

async function run(decoder: Decoder, rows: readonly GoldenRow[], work: Work): Promise<Float32Array> {
  const { device } = decoder;
  const batch = uploadRows(device, rows);
  const arena = decoder.arenaFor("work", (planned, counting) => void work(planned, batch, counting));
  return (await device.readFloats(work(decoder, batch, arena))) as Float32Array;
}

describe.each(FAMILIES)("%s on the reference backend, against transformers + PEFT", (family) => {
  const golden = familyGolden(family);
  const rows = familyRows(golden);

  it.each(rows.map(({ ids }, i) => [ids.length, i] as const))(
    "gives the logits of %d tokens",
    async (_, i) => {
      await using device = Device.open("reference");
      const decoder = await load(family, device);
      const row = rows[i] as GoldenRow;
      const logits = await run(decoder, [row], (graph, batch, arena) => graph.logits(batch, arena));
      const { vocabSize } = decoder.config;
      const chosen = (golden.positions[i] ?? []).flatMap((position) => [
        ...logits.subarray(position * vocabSize, (position + 1) * vocabSize),
      ]);
      expect(nmse(chosen, await goldenTensor(familyPath(family), `row${i}.logits`))).toBeLessThan(1e-9);
    },
  );

  it("answers with the same logits from the paged cache, prompt by pieces", async () => {
    await using device = Device.open("reference");
    const { config, weights, adapter } = await load(family, device);
    const last = rows.length - 1;
    const { ids } = rows[last] as GoldenRow;
    using engine = new InferenceEngine({ device, config, weights }, adapter, {
      activations: "f32",
      maxRows: 256,
      maxSequences: 1,
      maxPositions: ids.length,
    });
    const sequence = { blocks: [], length: 0 };
    const found: number[] = [];
    let from = 0;
    for (const position of golden.positions[last] ?? []) {
      engine.step([{ sequence, tokens: ids.slice(from, position + 1), adapter: 0, outputs: 1 }]);
      found.push(...((await device.readFloats(engine.logitsOf(0, 1))) as Float32Array));
      from = position + 1;
    }
    expect(from).toBe(ids.length);
    expect(nmse(found, await goldenTensor(familyPath(family), `row${last}.logits`))).toBeLessThan(1e-9);
  });

  it("gives every LoRA gradient of all rows, packed", async () => {
    await using device = Device.open("reference");
    const decoder = await load(family, device);
    await run(decoder, rows, (graph, batch, arena) => graph.loss(batch, arena, { backward: true }));
    const { grads, layout } = decoder.adapter as LoraAdapter;
    const byName = layout.unpack((await device.readFloats(grads as Tensor)) as Float32Array);
    expect(byName.size).toBe(2 * 2 * LINEAR_MODULES.length);
    for (const [name, { data }] of byName) {
      expect(nmse(data, await goldenTensor(familyPath(family), `grad.${name}`)), name).toBeLessThan(1e-9);
    }
  });
});
