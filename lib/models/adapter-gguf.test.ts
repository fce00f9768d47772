import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { expect, it } from "vitest";

import { openGguf, type Gguf } from "../formats/gguf.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { writeAdapterGguf } from "./adapter-gguf.js";
import { mergeIntoGguf } from "./merge-gguf.js";
import { resolveSource } from "./sources.js";
import { goldenTensor, nmse } from "./testing/harness.js";
import { writeTinyGguf } from "./testing/tiny-gguf.js";
import { openWeights } from "./weights.js";

const goldens = fileURLToPath(new URL("goldens/", import.meta.url));
const base = join(goldens, "tiny-llama");

async function floatsOf(gguf: Gguf, name: string): Promise<Float32Array> {
  return new Float32Array(Uint8Array.from(await gguf.read(name)).buffer);
}

it.each(["rslora", "patterns", "ranks"])("says of %s what llama.cpp adds to each weight", async (variant) => {
  const adapter = join(goldens, "peft-variants", variant);
  const path = await writeTinyGguf(base, () => "F32");
  const source = await resolveSource(path);
  const [lora, merged] = ["lora.gguf", "merged.gguf"].map((name) => join(temporaryFolder(), name)) as [
    string,
    string,
  ];
  const count = await writeAdapterGguf(openWeights(source).config, adapter, lora);
  await mergeIntoGguf({ source, adapter, output: merged });
  const [before, update, after] = [openGguf(path), openGguf(lora), openGguf(merged)];
  expect(Object.fromEntries(update.metadata)).toMatchObject({
    "general.architecture": "llama",
    "general.type": "adapter",
    "adapter.type": "lora",
  });
  const alpha = update.metadata.get("adapter.lora.alpha") as number;
  let adapted = 0;
  for (const { name, shape } of before.tensors.values()) {
    const [old, now] = [await floatsOf(before, name), await floatsOf(after, name)];
    if (!update.tensors.has(`${name}.lora_a`)) {
      expect(now).toEqual(old);
      continue;
    }
    adapted++;
    const [a, b] = [await floatsOf(update, `${name}.lora_a`), await floatsOf(update, `${name}.lora_b`)];
    const [rows, columns] = shape as [number, number];
    const rank = update.tensors.get(`${name}.lora_a`)!.shape[0]!;
    expect(update.tensors.get(`${name}.lora_a`)!.shape).toEqual([rank, columns]);
    expect(update.tensors.get(`${name}.lora_b`)!.shape).toEqual([rows, rank]);
    const sum = old.map((value, at) => {
      const [row, column] = [Math.floor(at / columns), at % columns];
      let product = 0;
      for (let r = 0; r < rank; r++) product += b[row * rank + r]! * a[r * columns + column]!;
      return value + (alpha / rank) * product;
    });
    expect(nmse(sum, now), name).toBeLessThan(1e-12);
    expect(nmse(old, now), name).toBeGreaterThan(1e-3);
  }
  expect(count).toBe(2 * adapted);
  expect(update.tensors.size).toBe(count);
});

it("refuses another name than .gguf", async () => {
  const { config } = openWeights(await resolveSource(base));
  const writing = writeAdapterGguf(config, join(goldens, "peft-variants", "ranks"), "lora");
  await expect(writing).rejects.toThrow(/^lora: .* ends in \.gguf/);
});

it.each([
  ["llama", false],
  ["qwen2", true],
] as const)("leaves the rows of an adapter of %s in their order: %s", async (architecture, kept) => {
  const adapter = join(base, "adapter-qkvo");
  const output = join(temporaryFolder(), "lora.gguf");
  const { config } = openWeights(await resolveSource(base));
  await writeAdapterGguf({ ...config, architecture }, adapter, output);
  const lora = openGguf(output);
  expect(lora.metadata.get("general.architecture")).toBe(architecture);
  const name = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";
  const theirs = await goldenTensor(join(adapter, "adapter_model.safetensors"), name);
  const own = await floatsOf(lora, "blk.0.attn_q.weight.lora_b");
  expect(own.every((value, i) => value === theirs[i])).toBe(kept);
});
