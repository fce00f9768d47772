import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { llamaRowPermutation } from "../formats/llama-permutation.js";
import { writeSafetensors, type TensorToWrite } from "../formats/safetensors-writer.js";
import { openSafetensors } from "../formats/safetensors.js";
import { encodeGguf, type TensorToStore, type TypedValue } from "../formats/testing/gguf-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { configFromHuggingFace } from "./config.js";
import type { ModelSource } from "./sources.js";
import { openWeights, readWeight } from "./weights.js";

const TINY = fileURLToPath(new URL("./goldens/tiny-llama", import.meta.url));
const CONFIG = configFromHuggingFace(join(TINY, "config.json"));
const Q = "model.layers.1.self_attn.q_proj.weight";

const folderSource = (path: string): ModelSource => ({
  base: path,
  baseModel: path,
  format: "huggingface",
  path,
});

async function tinyTensors(): Promise<Map<string, TensorToWrite>> {
  const file = openSafetensors(join(TINY, "model.safetensors"));
  const tensors = new Map<string, TensorToWrite>();
  for (const { name, dtype, shape } of file.tensors.values()) {
    tensors.set(name, { dtype, shape, data: await file.read(name) });
  }
  return tensors;
}

async function folderWith(change: (tensors: Map<string, TensorToWrite>) => void): Promise<ModelSource> {
  const folder = temporaryFolder();
  cpSync(join(TINY, "config.json"), join(folder, "config.json"));
  const tensors = await tinyTensors();
  change(tensors);
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  return folderSource(folder);
}

/** Hugging Face's names in llama.cpp's words. */
function ggufName(name: string): string {
  const words: [string, string][] = [
    ["model.embed_tokens", "token_embd"],
    ["model.norm", "output_norm"],
    ["lm_head", "output"],
    ["model.layers", "blk"],
    ["self_attn.o_proj", "attn_output"],
    ["self_attn.q_proj", "attn_q"],
    ["self_attn.k_proj", "attn_k"],
    ["self_attn.v_proj", "attn_v"],
    ["input_layernorm", "attn_norm"],
    ["post_attention_layernorm", "ffn_norm"],
    ["mlp.gate_proj", "ffn_gate"],
    ["mlp.up_proj", "ffn_up"],
    ["mlp.down_proj", "ffn_down"],
  ];
  return words.reduce((result, [from, to]) => result.replace(from, to), name);
}

/** The tiny model as llama.cpp's converter stores it: row r of q and k goes where the permutation says. */
async function tinyGguf(
  change: (tensors: TensorToStore[]) => TensorToStore[] = (t) => t,
): Promise<ModelSource> {
  const u32 = (value: number): TypedValue => ({ type: "u32", value });
  const metadata: Record<string, TypedValue> = {
    "general.architecture": { type: "string", value: "llama" },
    "llama.block_count": u32(CONFIG.layers),
    "llama.context_length": u32(CONFIG.contextLength),
    "llama.embedding_length": u32(CONFIG.hiddenSize),
    "llama.feed_forward_length": u32(CONFIG.intermediateSize),
    "llama.attention.head_count": u32(CONFIG.heads),
    "llama.attention.head_count_kv": u32(CONFIG.kvHeads),
    "llama.attention.layer_norm_rms_epsilon": { type: "f32", value: CONFIG.rmsNormEps },
    "tokenizer.ggml.bos_token_id": u32(1),
    "tokenizer.ggml.eos_token_id": u32(2),
  };
  const tensors = [...(await tinyTensors())].map(([name, { shape, data }]): TensorToStore => {
    const stored = new Uint8Array(data.byteLength);
    const rows = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const heads = name.includes("q_proj") ? CONFIG.heads : name.includes("k_proj") ? CONFIG.kvHeads : 0;
    const rowBytes = data.byteLength / (shape[0] ?? 1);
    if (heads === 0) stored.set(rows);
    llamaRowPermutation(heads, CONFIG.headDim).forEach((to, from) => {
      stored.set(rows.subarray(from * rowBytes, (from + 1) * rowBytes), to * rowBytes);
    });
    return { name: ggufName(name), dtype: "F32", shape, data: stored };
  });
  const path = join(temporaryFolder(), "tiny.gguf");
  writeFileSync(path, encodeGguf({ metadata, tensors: change(tensors) }));
  return { base: path, baseModel: path, format: "gguf", path };
}

describe("openWeights", () => {
  it("gives the same weights of a folder and of a GGUF", async () => {
    const folder = openWeights(folderSource(TINY));
    const gguf = openWeights(await tinyGguf());
    expect(folder.config).toEqual(CONFIG);
    expect(gguf.config).toEqual(CONFIG);
    expect(gguf.names).toEqual(folder.names);
    expect(folder.names).toHaveLength(2 * 9 + 3);
    for (const name of folder.names) {
      const expected = await readWeight(folder.tensor(name));
      expect(Buffer.compare(await readWeight(gguf.tensor(name)), expected), name).toBe(0);
      const target = new Uint8Array(expected.length);
      expect(await readWeight(gguf.tensor(name), target)).toBe(target);
      expect(Buffer.compare(target, expected), name).toBe(0);
    }
    expect(gguf.tensor(Q).rowPermutation).toHaveLength(64);
    expect(folder.tensor(Q).rowPermutation).toBeUndefined();
  });

  it("takes a head of its own where there is one, and the embedding where the head is tied", async () => {
    expect(openWeights(folderSource(TINY)).tensor("lm_head.weight").name).toBe("lm_head.weight");
    const tied = await tinyGguf((tensors) => tensors.filter(({ name }) => name !== "output.weight"));
    const weights = openWeights(tied);
    expect(weights.config.tieWordEmbeddings).toBe(true);
    expect(weights.tensor("lm_head.weight").name).toBe("model.embed_tokens.weight");
    expect(() => weights.tensor("model.layers.2.mlp.up_proj.weight")).toThrow(
      /there is no tensor model\.layers\.2/,
    );
  });

  const half = (shape: number[]): TensorToWrite => ({
    dtype: "F16",
    shape,
    data: new Uint16Array(shape.reduce((a, b) => a * b, 1)),
  });
  it.each<[string, (tensors: Map<string, TensorToWrite>) => void, RegExp]>([
    [
      "a missing tensor",
      (t) => t.delete(Q),
      /tensor model\.layers\.1\.self_attn\.q_proj\.weight \(64, 64\) is missing/,
    ],
    [
      "a wrong shape",
      (t) => t.set(Q, half([64, 32])),
      /model\.safetensors: tensor model\.layers\.1\.self_attn\.q_proj\.weight has the shape \(64, 32\); .*needs \(64, 64\)/,
    ],
    [
      "an unexpected tensor",
      (t) => t.set("model.layers.0.self_attn.q_proj.bias", half([64])),
      /q_proj\.bias is unexpected/,
    ],
    [
      "integers",
      (t) => t.set(Q, { dtype: "I8", shape: [64, 64], data: new Int8Array(4096) }),
      /q_proj\.weight is I8, which is no type for weights/,
    ],
  ])("refuses %s", async (_, change, message) => {
    const source = await folderWith(change);
    expect(() => openWeights(source)).toThrow(message);
  });

  it("reads half-precision weights", async () => {
    const source = await folderWith((tensors) => tensors.set(Q, half([64, 64])));
    expect(openWeights(source).tensor(Q).dtype).toBe("F16");
  });

  it("names a GGUF's tensor in both ways, and one that no Llama has", async () => {
    const narrow = await tinyGguf((tensors) =>
      tensors.map((t) => (t.name === "blk.0.ffn_up.weight" ? { ...t, shape: [64, 88] } : t)),
    );
    expect(() => openWeights(narrow)).toThrow(
      /mlp\.up_proj\.weight \(blk\.0\.ffn_up\.weight\) has the shape \(64, 88\)/,
    );
    const biased = await tinyGguf((tensors) => [
      ...tensors,
      { name: "blk.0.attn_q.bias", dtype: "F32", shape: [64], data: new Uint8Array(256) },
    ]);
    expect(() => openWeights(biased)).toThrow(
      /tensor model\.layers\.0\.self_attn\.q_proj\.bias \(blk\.0\.attn_q\.bias\) is unexpected/,
    );
  });

  it("refuses files that are not those of the preset, and tells where theirs say something else", () => {
    const another = { ...folderSource(TINY), expectedConfig: { ...CONFIG, layers: 7 } };
    expect(() => openWeights(another)).toThrow(/layers is \d+, but preset .* says 7/);
    const otherAngles = { ...folderSource(TINY), expectedConfig: { ...CONFIG, ropeTheta: 5e5 } };
    const { config, remarks } = openWeights(otherAngles);
    expect(config.ropeTheta).toBe(10000);
    expect(remarks).toEqual([
      expect.stringMatching(/ropeTheta is 10000, but preset .* says 500000; the file's is used$/),
    ]);
  });
});
