/** Models in Mistral's own layout: each is a twin of one in Hugging Face's, written by code of this test. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { dequantize } from "../formats/dequantize.js";
import { readJson } from "../formats/json.js";
import { openSafetensors } from "../formats/safetensors.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { writeSafetensors, type TensorToWrite } from "../formats/safetensors-writer.js";
import type { ModelConfig } from "./config.js";
import { mergeAdapter } from "./merge.js";
import { resolveSource } from "./sources.js";
import { familyFolder } from "./testing/families.js";
import { writeSmallAdapter } from "./testing/small-model.js";
import { interleaved } from "./testing/tiny-gguf.js";
import { openWeights, readWeight } from "./weights.js";

const NAMES: [RegExp, string][] = [
  [/^model\.embed_tokens/, "tok_embeddings"],
  [/^model\.norm/, "norm"],
  [/^lm_head/, "output"],
  [/^model\.layers/, "layers"],
  [/input_layernorm/, "attention_norm"],
  [/post_attention_layernorm/, "ffn_norm"],
  [/self_attn\.(.)_proj/, "attention.w$1"],
  [/mlp\.gate_proj/, "feed_forward.w1"],
  [/mlp\.down_proj/, "feed_forward.w2"],
  [/mlp\.up_proj/, "feed_forward.w3"],
];
const mistralName = (name: string): string =>
  NAMES.reduce((text, [pattern, own]) => text.replace(pattern, own), name);

const paramsOf = (config: ModelConfig): Record<string, unknown> => ({
  dim: config.hiddenSize,
  n_layers: config.layers,
  head_dim: config.headDim,
  hidden_dim: config.intermediateSize,
  n_heads: config.heads,
  n_kv_heads: config.kvHeads,
  norm_eps: config.rmsNormEps,
  vocab_size: config.vocabSize,
  rope_theta: config.ropeTheta,
  max_position_embeddings: config.contextLength,
  yarn: { factor: 8, original_max_position_embeddings: 128, alpha: 1, beta: 32, apply_scale: false },
  llama_4_scaling: { beta: 0.1, original_max_position_embeddings: 128 },
});

interface Twin {
  folder: string;
  /** The same model in Hugging Face's layout. */
  original: string;
  tensors: Map<string, TensorToWrite>;
}

/** A Ministral 3 in Mistral's layout, in two files; a `change` makes it faulty or different. */
async function twin(
  change: (tensors: Map<string, TensorToWrite>, params: Record<string, unknown>) => void = () => undefined,
): Promise<Twin> {
  const original = await familyFolder("ministral3");
  const weights = openWeights(await resolveSource(original));
  const { config } = weights;
  const tensors = new Map<string, TensorToWrite>();
  for (const name of weights.names) {
    const { shape } = weights.tensor(name);
    let data = dequantize("F32", await readWeight(weights.tensor(name)));
    const heads = name.includes("q_proj") ? config.heads : name.includes("k_proj") ? config.kvHeads : 0;
    if (heads > 0) data = interleaved(data, heads, config.headDim, shape[1] as number);
    tensors.set(mistralName(name), { dtype: "F32", shape, data });
  }
  const params = paramsOf(config);
  change(tensors, params);
  const folder = temporaryFolder();
  writeFileSync(join(folder, "params.json"), JSON.stringify(params));
  const entries = [...tensors];
  for (const [i, part] of [entries.slice(0, 7), entries.slice(7)].entries())
    await writeSafetensors(join(folder, `consolidated-0000${i + 1}-of-00002.safetensors`), new Map(part));
  return { folder, original, tensors };
}

describe("Mistral's layout", () => {
  it("gives the weights and the configuration of its twin in Hugging Face's", async () => {
    const { folder, original } = await twin();
    const source = await resolveSource(folder);
    expect(source).toMatchObject({ format: "mistral", path: folder });
    const [own, theirs] = [openWeights(source), openWeights(await resolveSource(original))];
    const betas = { betaFast: 32, betaSlow: 1 };
    expect(own.config).toEqual({ ...theirs.config, ropeScaling: { ...theirs.config.ropeScaling, ...betas } });
    expect(own.remarks).toEqual([]);
    expect(own.names).toEqual(theirs.names);
    for (const name of own.names) {
      const bytes = Buffer.from(await readWeight(own.tensor(name)));
      expect(bytes.equals(await readWeight(theirs.tensor(name))), name).toBe(true);
    }
  });

  it("merges into Hugging Face's", async () => {
    const { folder, original } = await twin();
    writeFileSync(join(folder, "tekken.json"), "{}");
    const outputs = await Promise.all(
      [folder, original].map(async (base) => {
        const source = await resolveSource(base);
        const adapter = join(temporaryFolder(), "adapter");
        await writeSmallAdapter(adapter, openWeights(source).config);
        const output = join(temporaryFolder(), "merged");
        await mergeAdapter({ source, adapter, output, dtype: "f32" });
        return output;
      }),
    );
    const [own, theirs] = outputs.map((output) => openSafetensors(join(output, "model.safetensors")));
    for (const name of theirs!.tensors.keys())
      expect(Buffer.from(await own!.read(name)).equals(await theirs!.read(name)), name).toBe(true);
    expect(existsSync(join(outputs[0]!, "tekken.json"))).toBe(true);
    const config = readJson(join(outputs[0]!, "config.json"));
    expect(config).toMatchObject({ model_type: "ministral3", rope_parameters: { mscale_all_dim: 1 } });
    expect(openWeights(await resolveSource(outputs[0]!)).config.queryScale).toEqual({
      beta: 0.1,
      originalContext: 128,
    });
  });

  it("reads FP8 with a scale a tensor, and leaves what reads images aside", async () => {
    const name = "layers.1.feed_forward.w2";
    const { folder } = await twin((tensors, params) => {
      const { shape } = tensors.get(`${name}.weight`)!;
      const codes = new Uint8Array(shape[0]! * shape[1]!).fill(0x38);
      tensors.set(`${name}.weight`, { dtype: "F8_E4M3", shape, data: codes });
      tensors.set(`${name}.qscale_weight`, { dtype: "F32", shape: [], data: Float32Array.of(0.25) });
      tensors.set(`${name}.qscale_act`, { dtype: "F32", shape: [], data: Float32Array.of(3) });
      for (const part of [
        "vision_encoder.ln_pre.weight",
        "vision_language_adapter.w_in.weight",
        "patch_merger.x.weight",
      ])
        tensors.set(part, { dtype: "F32", shape: [1], data: Float32Array.of(1) });
      params.quantization = { qformat_weight: "fp8_e4m3", qscheme_act: "TENSOR" };
      params.vision_encoder = { hidden_size: 8, rope_theta: 1e4 };
    });
    const weights = openWeights(await resolveSource(folder));
    const { dtype, scales } = weights.tensor("model.layers.1.mlp.down_proj.weight");
    expect([dtype, scales?.values]).toEqual(["F8_E4M3", Float32Array.of(0.25)]);
    expect(weights.remarks).toEqual([expect.stringMatching(/the text part is used.*: 3\) is left aside/)]);
  });

  it.each<[string, Parameters<typeof twin>[0], RegExp]>([
    [
      "experts",
      (_, params) => (params.moe = { num_experts: 8 }),
      /params\.json: moe \{"num_experts":8\} is not supported/,
    ],
    [
      "an unknown key",
      (_, params) => (params.ragged_attention = "512"),
      /params\.json: ragged_attention "512"/,
    ],
    ["no width", (_, params) => delete params.dim, /params\.json: dim: /],
    [
      "no context",
      (_, params) => delete params.max_position_embeddings,
      /max_position_embeddings null.*\n.*Add the number/,
    ],
    [
      "half a YaRN",
      (_, params) => (params.yarn = { factor: 8 }),
      /params\.json: yarn\.original_max_position_embeddings/,
    ],
    [
      "a YaRN of more",
      (_, params) => Object.assign(params.yarn as object, { gamma: 1 }),
      /params\.json: yarn: .*gamma/,
    ],
    [
      "another quantisation",
      (_, params) => (params.quantization = { qformat_weight: "int4" }),
      /params\.json: quantization\.qformat_weight/,
    ],
    ["another activation", (_, params) => (params.activation = "gelu"), /hidden_act "gelu" is not supported/],
    [
      "sound",
      (_, params) => (params.multimodal = { whisper_model_args: { dim: 8 } }),
      /multimodal\.whisper_model_args/,
    ],
    [
      "a missing tensor",
      (tensors) => tensors.delete("layers.1.attention.wk.weight"),
      /model\.layers\.1\.self_attn\.k_proj\.weight \(64, 64\) is missing/,
    ],
    [
      "a tensor of another kind",
      (tensors) =>
        tensors.set("layers.0.feed_forward.gate.weight", {
          dtype: "F32",
          shape: [1],
          data: Float32Array.of(1),
        }),
      /layers\.0\.feed_forward\.gate\.weight is unexpected/,
    ],
    [
      "a wrong shape",
      (tensors) =>
        tensors.set("layers.0.attention.wq.weight", { dtype: "F32", shape: [2], data: new Float32Array(2) }),
      /self_attn\.q_proj\.weight \(layers\.0\.attention\.wq\.weight\) has the shape/,
    ],
  ])("is refused by name for %s", async (_, change, message) => {
    const { folder } = await twin(change);
    const source = await resolveSource(folder);
    expect(() => openWeights(source)).toThrow(message);
  });

  it("names the part and the file that are missing", async () => {
    const { folder, tensors } = await twin();
    rmSync(join(folder, "consolidated-00002-of-00002.safetensors"));
    const source = await resolveSource(folder);
    expect(() => openWeights(source)).toThrow(/of 2 shards number 2 is missing/);
    // One file counts before others.
    await writeSafetensors(join(folder, "consolidated.safetensors"), tensors);
    openWeights(source);
    rmSync(join(folder, "params.json"));
    await expect(resolveSource(folder)).rejects.toThrow(/no config\.json\n.*params\.json and consolidated/);
    writeFileSync(join(folder, "config.json"), "{}");
    const other = await resolveSource(folder);
    expect(other.format).toBe("huggingface");
    // Hugging Face's layout counts first where both are there.
    const both = await twin();
    await writeSafetensors(join(both.original, "consolidated.safetensors"), both.tensors);
    writeFileSync(join(both.original, "params.json"), "{}");
    expect((await resolveSource(both.original)).format).toBe("huggingface");
  });
});
