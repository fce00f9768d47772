/** What the files of the families hold besides weights of matrices: biases, divisors of RoPE's frequencies. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { Random } from "../data/random.js";
import { encodeGguf, type TensorToStore, type TypedValue } from "../formats/testing/gguf-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { saveAdapter } from "./adapter-file.js";
import { writeAdapterGguf } from "./adapter-gguf.js";
import type { ModelConfig } from "./config.js";
import { LoraLayout } from "./lora.js";
import { mergeAdapter } from "./merge.js";
import { rope } from "./rope.js";
import { resolveSource, type ModelSource } from "./sources.js";
import { familyFolder, familyWeights, type Family } from "./testing/families.js";
import { ggufName } from "./testing/gguf-names.js";
import { expectedTensors, openWeights, readWeight, type ModelWeights } from "./weights.js";

const open = async (family: Family): Promise<ModelWeights> =>
  openWeights(await resolveSource(await familyFolder(family)));

/** The family's model as a GGUF whose rows stay in their order; `divisors` are stored as llama.cpp's converter does. */
async function gguf(
  { config }: ModelWeights,
  divisors?: Float32Array,
  without: (name: string) => boolean = () => false,
): Promise<ModelWeights> {
  const name = config.architecture;
  const u32 = (value: number): TypedValue => ({ type: "u32", value });
  const f32 = (value: number): TypedValue => ({ type: "f32", value });
  const metadata: [string, TypedValue][] = [
    ["general.architecture", { type: "string", value: name }],
    [`${name}.block_count`, u32(config.layers)],
    [`${name}.context_length`, u32(config.contextLength)],
    [`${name}.embedding_length`, u32(config.hiddenSize)],
    [`${name}.feed_forward_length`, u32(config.intermediateSize)],
    [`${name}.attention.head_count`, u32(config.heads)],
    [`${name}.attention.head_count_kv`, u32(config.kvHeads)],
    [`${name}.attention.layer_norm_rms_epsilon`, f32(config.rmsNormEps)],
    [`${name}.rope.freq_base`, f32(config.ropeTheta)],
    ["tokenizer.ggml.bos_token_id", u32(1)],
    ["tokenizer.ggml.eos_token_id", u32(2)],
  ];
  if (divisors !== undefined) {
    const context = config.ropeScaling?.type === "llama3" ? config.ropeScaling.originalContext : 0;
    metadata.push([`${name}.rope.scaling.original_context_length`, u32(context)]);
  }
  const bytes = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer);
  const tensors: TensorToStore[] = [...familyWeights(expectedTensors(config))].map(
    ([own, { shape, data }]) => ({
      name: ggufName(own),
      dtype: "F32",
      shape,
      data: bytes(data),
    }),
  );
  if (divisors !== undefined) {
    tensors.push({
      name: "rope_freqs.weight",
      dtype: "F32",
      shape: [divisors.length],
      data: bytes(divisors),
    });
  }
  const path = join(temporaryFolder(), "model.gguf");
  writeFileSync(path, encodeGguf({ metadata, tensors: tensors.filter((tensor) => !without(tensor.name)) }));
  return openWeights(await resolveSource(path));
}

/** The folder of an adapter of q and v. */
async function randomAdapter(source: ModelSource, config: ModelConfig): Promise<string> {
  const layout = new LoraLayout(config, { rank: 2, alpha: 4, targets: ["q_proj", "v_proj"] });
  const random = Random.of(1, "merge");
  const adapter = join(temporaryFolder(), "adapter");
  const values = new Float32Array(layout.size).map(() => random.float() - 0.5);
  const dsl = { name: "ibis", version: "0" };
  const sidecar = { format: 1 as const, base: source.base, dsl, prompts: null };
  await saveAdapter(adapter, layout, values, { baseModel: source.baseModel, sidecar });
  return adapter;
}

async function mergedWith(adapter: string, source: ModelSource): Promise<ModelWeights> {
  const output = join(temporaryFolder(), "merged");
  await mergeAdapter({ source, adapter, output, dtype: "f32" });
  return openWeights(await resolveSource(output));
}

describe("Ministral 3", () => {
  it("keeps its stretching and its scale of queries in a merge", async () => {
    const source = await resolveSource(await familyFolder("ministral3"));
    const { config } = openWeights(source);
    expect(config).toMatchObject({ queryScale: { beta: 0.1 }, ropeScaling: { type: "yarn" } });
    expect((await mergedWith(await randomAdapter(source, config), source)).config).toEqual(config);
  });

  it("is refused as an adapter for llama.cpp", async () => {
    const source = await resolveSource(await familyFolder("ministral3"));
    const { config } = openWeights(source);
    const adapter = await randomAdapter(source, config);
    await expect(writeAdapterGguf(config, adapter, join(temporaryFolder(), "a.gguf"))).rejects.toThrow(
      /adapter of a base of architecture "ministral3" is not written as a GGUF/,
    );
  });
});

describe("Qwen2", () => {
  it("has the same weights as a GGUF, biases included and no row moved", async () => {
    const folder = await open("qwen2");
    const file = await gguf(folder);
    expect(file.config).toEqual(folder.config);
    expect(folder.names).toContain("model.layers.1.self_attn.v_proj.bias");
    expect(file.names).toEqual(folder.names);
    for (const name of folder.names) {
      const [theirs, own] = [await readWeight(file.tensor(name)), await readWeight(folder.tensor(name))];
      expect(Buffer.compare(theirs, own), name).toBe(0);
    }
  });

  it("is refused where a bias is missing", async () => {
    const folder = await open("qwen2");
    await expect(gguf(folder, undefined, (name) => name === "blk.1.attn_k.bias")).rejects.toThrow(
      /tensor model\.layers\.1\.self_attn\.k_proj\.bias \(32\) is missing/,
    );
  });

  it("keeps its biases in a merge", async () => {
    const source = await resolveSource(await familyFolder("qwen2"));
    const { config, ...own } = openWeights(source);
    const merged = await mergedWith(await randomAdapter(source, config), source);
    expect(merged.config).toEqual(config);
    const same = async (name: string): Promise<boolean> =>
      Buffer.compare(await readWeight(merged.tensor(name)), await readWeight(own.tensor(name))) === 0;
    for (const module of ["q_proj", "k_proj", "v_proj"]) {
      expect(await same(`model.layers.0.self_attn.${module}.bias`), module).toBe(true);
    }
    expect(await same("model.layers.0.self_attn.q_proj.weight")).toBe(false);
  });
});

describe("rope_freqs.weight", () => {
  async function divisors(): Promise<{ folder: ModelWeights; values: Float32Array }> {
    const folder = await open("llama3");
    const { headDim, ropeTheta: theta, ropeScaling } = folder.config;
    const plain = rope({ type: "default", theta }, headDim).frequencies;
    if (ropeScaling === null) throw new Error("the golden has no scaling");
    const scaled = rope({ ...ropeScaling, theta }, headDim).frequencies;
    return { folder, values: Float32Array.from(plain, (value, i) => value / (scaled[i] as number)) };
  }

  it("is Llama 3's scaling", async () => {
    const { folder, values } = await divisors();
    expect((await gguf(folder, values)).config).toEqual(folder.config);
  });

  it("is refused by the value that is another's", async () => {
    const { folder, values } = await divisors();
    values[1] = 1.5;
    await expect(gguf(folder, values)).rejects.toThrow(/rope_freqs\.weight holds 1\.5 at 1/);
    await expect(gguf(folder, values.subarray(0, 4))).rejects.toThrow(/rope_freqs\.weight of/);
  });
});
