/** Every form of PEFT's configuration, against PEFT itself (scripts/goldens/peft_variants.py). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { readPeftAdapter, writePeftAdapter } from "../formats/peft.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { InferenceEngine } from "../generation/engine.js";
import { LoraBank } from "../generation/lora-bank.js";
import { Device } from "../runtime/device.js";
import { loadAdapter, readAdapter } from "./adapter-file.js";
import { Decoder } from "./decoder.js";
import { loadDecoderWeights } from "./device-weights.js";
import type { LoraAdapter } from "./lora.js";
import { mergeAdapter } from "./merge.js";
import { resolveSource } from "./sources.js";
import { goldenTensor, nmse, uploadRows, type GoldenRow } from "./testing/harness.js";
import { openWeights } from "./weights.js";

const goldens = fileURLToPath(new URL("goldens/", import.meta.url));
const base = join(goldens, "tiny-llama");
const source = await resolveSource(base);
const files = openWeights(source);
const { rows } = JSON.parse(readFileSync(join(base, "batch.json"), "utf8")) as { rows: GoldenRow[] };
const row = rows[0] as GoldenRow;

const VARIANTS = ["rslora", "patterns", "regex", "names", "layers", "ranks"];
const folderOf = (variant: string): string => join(goldens, "peft-variants", variant);
const expectedOf = (variant: string, tensor: string) =>
  goldenTensor(join(folderOf(variant), "expected.safetensors"), tensor);

async function decoderOn(device: Device, model: typeof files, adapter: LoraAdapter | undefined) {
  const weights = await loadDecoderWeights(device, model, { weights: "f32" });
  return new Decoder(device, model.config, weights, adapter, { activations: "f32", recompute: "none" });
}

async function logitsOf(decoder: Decoder): Promise<ArrayLike<number>> {
  const batch = uploadRows(decoder.device, [row]);
  const arena = decoder.arenaFor("logits", (planned, counting) => planned.logits(batch, counting));
  return await decoder.device.readFloats(decoder.logits(batch, arena));
}

describe.each(VARIANTS)("an adapter of PEFT: %s", (variant) => {
  it("has PEFT's logits by itself, and merged into the base", async () => {
    const expected = await expectedOf(variant, "logits");
    await using device = Device.open("reference");
    const { adapter } = await loadAdapter(device, files.config, folderOf(variant));
    expect(nmse(await logitsOf(await decoderOn(device, files, adapter)), expected)).toBeLessThan(1e-9);
    const output = join(temporaryFolder(), "merged");
    await mergeAdapter({ source, adapter: folderOf(variant), output, dtype: "f32" });
    const merged = openWeights(await resolveSource(output));
    expect(nmse(await logitsOf(await decoderOn(device, merged, undefined)), expected)).toBeLessThan(1e-9);
    // The base alone is far from it.
    expect(nmse(await logitsOf(await decoderOn(device, files, undefined)), expected)).toBeGreaterThan(1e-2);
  });

  it("is written again as it was read", async () => {
    const folder = join(temporaryFolder(), "adapter");
    const read = await readPeftAdapter(folderOf(variant));
    await writePeftAdapter(folder, read);
    expect({ ...(await readPeftAdapter(folder)), path: read.path }).toEqual(read);
    const keys = [
      "alpha_pattern",
      "exclude_modules",
      "layers_to_transform",
      "layers_pattern",
      "lora_alpha",
      "r",
      "rank_pattern",
      "target_modules",
      "use_rslora",
    ];
    const said = (home: string) => {
      const json = JSON.parse(readFileSync(join(home, "adapter_config.json"), "utf8")) as Record<
        string,
        unknown
      >;
      const listed = (value: unknown): unknown => (Array.isArray(value) ? [...value].sort() : value);
      return keys.map((key) => {
        const value = json[key] ?? null;
        if (key.startsWith("layers_") && value !== null) return [key, [value].flat()];
        const empty = typeof value === "object" && value !== null && Object.keys(value).length === 0;
        return [key, empty ? null : listed(value)];
      });
    };
    expect(said(folder)).toEqual(said(folderOf(variant)));
  });
});

it("answers from one bank with PEFT's logits, each adapter with its own modules, ranks and scales", async () => {
  await using device = Device.open("reference");
  const weights = await loadDecoderWeights(device, files, { weights: "f32" });
  const adapters = await Promise.all(VARIANTS.map((variant) => readAdapter(files.config, folderOf(variant))));
  using bank = new LoraBank(device, files.config, adapters, "f32");
  const sizes = { maxRows: 32, maxSequences: 1, maxPositions: 256 };
  using engine = new InferenceEngine({ device, config: files.config, weights }, bank, {
    activations: "f32",
    ...sizes,
  });
  for (const [adapter, variant] of VARIANTS.entries()) {
    const outputs = row.ids.length;
    engine.step([{ sequence: { blocks: [], length: 0 }, tokens: row.ids, adapter, outputs }]);
    const logits = await device.readFloats(engine.logitsOf(0, outputs));
    expect(nmse(logits, await expectedOf(variant, "logits")), variant).toBeLessThan(1e-9);
  }
});

it("trains modules of several ranks with PEFT's gradients, and none in what fills them up", async () => {
  await using device = Device.open("reference");
  const { adapter } = await loadAdapter(device, files.config, folderOf("ranks"), { training: true });
  const decoder = await decoderOn(device, files, adapter);
  const grads = adapter.grads!;
  device.fill(grads, 0);
  const batch = uploadRows(device, [row]);
  const arena = decoder.arenaFor("step", (planned, counting) => {
    planned.loss(batch, counting, { backward: true });
  });
  decoder.loss(batch, arena, { backward: true });
  const flat = (await device.readFloats(grads)) as Float32Array;
  const named = adapter.layout.unpack(flat);
  expect(named.size).toBe(2 * 4 * 2);
  for (const [name, { data }] of named) {
    expect(nmse(data, await expectedOf("ranks", `grad.${name}`)), name).toBeLessThan(1e-9);
  }
  expect(adapter.layout.pack(named)).toEqual(flat);
});

it("does not train what one op cannot scale", async () => {
  await using device = Device.open("reference");
  const loading = loadAdapter(device, files.config, folderOf("patterns"), { training: true });
  await expect(loading).rejects.toThrow(
    /layers\.0\.self_attn\.q_proj: modules of one input have different scales/,
  );
});
