import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { openSafetensors } from "../formats/safetensors.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { Random } from "../data/random.js";
import { Device } from "../runtime/device.js";
import { saveAdapter } from "./adapter-file.js";
import { Decoder } from "./decoder.js";
import { loadDecoderWeights } from "./device-weights.js";
import { LoraLayout } from "./lora.js";
import { mergeAdapter } from "./merge.js";
import { resolveSource } from "./sources.js";
import { goldenTensor, nmse, uploadRows, type GoldenRow } from "./testing/harness.js";
import { loadTokenizer } from "./load-tokenizer.js";
import { openWeights } from "./weights.js";

const goldens = fileURLToPath(new URL("goldens/", import.meta.url));

describe("mergeAdapter", () => {
  it.each([
    ["tiny-llama", "qkvo"],
    ["tiny-mistral", "all"],
  ])("gives %s with adapter %s the logits that transformers + PEFT have", async (model, adapter) => {
    const folder = join(goldens, model);
    const output = join(temporaryFolder(), "merged");
    const source = await resolveSource(folder);
    const merged = await mergeAdapter({
      source,
      adapter: join(folder, `adapter-${adapter}`),
      output,
      dtype: "f32",
    });
    expect(merged.files).toEqual(["model.safetensors"]);
    const device = Device.open("reference");
    const weights = openWeights(await resolveSource(output));
    const loaded = await loadDecoderWeights(device, weights, { weights: "f32" });
    const decoder = new Decoder(device, weights.config, loaded, undefined, {
      activations: "f32",
      recompute: "none",
    });
    const { rows } = JSON.parse(readFileSync(join(folder, "batch.json"), "utf8")) as { rows: GoldenRow[] };
    const batch = uploadRows(device, rows.slice(0, 1));
    const arena = decoder.arenaFor("logits", (planned, counting) => planned.logits(batch, counting));
    const logits = await device.readFloats(decoder.logits(batch, arena));
    const expected = await goldenTensor(join(folder, `expected-${adapter}.safetensors`), "row0.logits");
    expect(nmse(logits, expected)).toBeLessThan(1e-9);
  });

  it("makes a whole model of a GGUF: configuration, tokenizer, every tensor", async () => {
    const folder = temporaryFolder();
    const source = await resolveSource("smollm2-135m");
    const base = openWeights(source);
    const layout = new LoraLayout(base.config, { rank: 1, alpha: 1, targets: ["k_proj"] });
    const values = layout.initialValues(Random.of(1, "merge")).map((value) => value || 0.01);
    const sidecar = {
      format: 1 as const,
      base: source.base,
      dsl: { name: "ibis", version: "0" },
      prompts: null,
    };
    await saveAdapter(join(folder, "adapter"), layout, values, { baseModel: source.baseModel, sidecar });
    const output = join(folder, "merged");
    const result = await mergeAdapter({ source, adapter: join(folder, "adapter"), output });
    expect(result).toMatchObject({ merged: base.config.layers, tensors: base.names.length });
    const merged = await resolveSource(output);
    expect(openWeights(merged).config).toEqual(base.config);
    const text = "SELECT é, '<|im_end|>' FROM t\n\t-- 12345";
    expect(loadTokenizer(merged).encode(text)).toEqual(loadTokenizer(source).encode(text));
    expect(openSafetensors(join(output, "model.safetensors")).tensors.get("model.norm.weight")?.dtype).toBe(
      "BF16",
    );
  });

  it("refuses an adapter of another model and leaves what was there", async () => {
    const output = temporaryFolder();
    writeFileSync(join(output, "kept"), "");
    const adapter = join(goldens, "tiny-mistral", "adapter-all");
    const source = await resolveSource(join(goldens, "tiny-llama"));
    await expect(mergeAdapter({ source, adapter, output })).rejects.toMatchObject({
      code: "adapter-mismatch",
    });
    expect(existsSync(join(output, "kept"))).toBe(true);
  });
});
