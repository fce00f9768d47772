import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { openGguf } from "../formats/gguf.js";
import { encodeGguf, type TypedValue } from "../formats/testing/gguf-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { configFromGguf, configFromHuggingFace, type ModelConfig } from "./config.js";
import { isPreset, loadPreset, presetNames } from "./presets.js";
import { expectedTensors } from "./weights.js";

const TINY = fileURLToPath(new URL("./goldens/tiny-llama/config.json", import.meta.url));
const TINY_CONFIG: ModelConfig = {
  architecture: "llama",
  vocabSize: 97,
  hiddenSize: 64,
  intermediateSize: 88,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  ropeTheta: 10_000,
  ropeScaling: null,
  queryScale: null,
  rmsNormEps: 1e-5,
  tieWordEmbeddings: false,
  contextLength: 128,
  bosId: 1,
  eosIds: [2],
};

function parameters(config: ModelConfig): number {
  return [...expectedTensors(config).values()].reduce(
    (sum, shape) => sum + shape.reduce((a, b) => a * b, 1),
    0,
  );
}

describe("configFromHuggingFace", () => {
  const plain = JSON.parse(readFileSync(TINY, "utf8")) as Record<string, unknown>;
  function changed(change: Record<string, unknown>): string {
    const path = join(temporaryFolder(), "config.json");
    writeFileSync(path, JSON.stringify({ ...plain, ...change }));
    return path;
  }

  it("reads what transformers wrote", () => {
    expect(configFromHuggingFace(TINY)).toEqual(TINY_CONFIG);
  });

  it("gives keys that are left out the defaults of transformers' Mistral", () => {
    const bare = { num_key_value_heads: undefined, sliding_window: undefined };
    const mistral = { model_type: "mistral", num_attention_heads: 16, max_position_embeddings: 32768 };
    const read = (change: object) => {
      const { kvHeads, contextLength } = configFromHuggingFace(changed({ ...mistral, ...bare, ...change }));
      return [kvHeads, contextLength];
    };
    expect(read({})).toEqual([8, 4096]);
    expect(read({ num_key_value_heads: null, sliding_window: null })).toEqual([16, 32768]);
    expect(read({ model_type: "llama" })).toEqual([16, 32768]);
  });

  it("reads the keys of older files", () => {
    const path = changed({
      model_type: "mistral",
      head_dim: null,
      num_key_value_heads: null,
      rope_parameters: undefined,
      rope_theta: 1e6,
      rope_scaling: null,
      sliding_window: 64,
      eos_token_id: [2, 7],
    });
    expect(configFromHuggingFace(path)).toEqual({
      ...TINY_CONFIG,
      architecture: "mistral",
      kvHeads: 4,
      ropeTheta: 1e6,
      contextLength: 64,
      eosIds: [2, 7],
    });
  });

  it("reads Ministral 3's scale of queries, which no other model has", () => {
    const own = { rope_type: "default", rope_theta: 1e4, original_max_position_embeddings: 32 };
    const read = (type: string, more: object, change: object = {}) =>
      configFromHuggingFace(changed({ model_type: type, rope_parameters: { ...own, ...more }, ...change }));
    const scaled = {
      ...TINY_CONFIG,
      architecture: "ministral3",
      queryScale: { beta: 0.1, originalContext: 32 },
    };
    expect(read("ministral3", { llama_4_scaling_beta: 0.1 })).toEqual(scaled);
    const bare = { head_dim: undefined, rms_norm_eps: undefined, num_key_value_heads: undefined };
    expect(read("ministral3", { llama_4_scaling_beta: 0.1 }, { ...bare, num_attention_heads: 8 })).toEqual({
      ...scaled,
      ...{ heads: 8, kvHeads: 8, headDim: 128, rmsNormEps: 1e-5 },
    });
    expect(read("mistral", { llama_4_scaling_beta: 0 }).queryScale).toBeNull();
    for (const beta of [0.1, 1])
      expect(() => read("mistral", { llama_4_scaling_beta: beta })).toThrow(
        new RegExp(`rope_parameters\\.llama_4_scaling_beta ${beta} is not supported`),
      );
    const context = { original_max_position_embeddings: undefined };
    expect(() => read("ministral3", { llama_4_scaling_beta: 0.1, ...context })).toThrow(
      /llama_4_scaling_beta 0\.1 is not supported/,
    );
    expect(() => read("ministral3", {})).toThrow(/rope_theta and llama_4_scaling_beta are needed/);
    expect(() => read("ministral3", { llama_4_scaling_beta: 0.1, rope_theta: undefined })).toThrow(
      /are needed/,
    );
  });

  it("reads the scaling of RoPE in both spellings", () => {
    const yarn = { factor: 4, beta_fast: 16, mscale: 1, mscale_all_dim: 1, truncate: false };
    const read = (change: Record<string, unknown>) => configFromHuggingFace(changed(change)).ropeScaling;
    expect(read({ rope_scaling: { type: "linear", factor: 2 } })).toEqual({ type: "linear", factor: 2 });
    expect(read({ rope_scaling: { type: "linear", factor: 1 } })).toBeNull();
    for (const key of ["rope_scaling", "rope_parameters"]) {
      const own = {
        rope_type: "yarn",
        ...yarn,
        attention_factor: null,
        original_max_position_embeddings: 64,
      };
      expect(read({ [key]: { ...own, rope_theta: 1e4 } })).toEqual({
        type: "yarn",
        factor: 4,
        betaFast: 16,
        mscale: 1,
        mscaleAllDim: 1,
        truncate: false,
        originalContext: 64,
      });
    }
    const llama3 = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
    const expected = { type: "llama3", factor: 8, lowFreqFactor: 1, highFreqFactor: 4 };
    expect(read({ rope_scaling: llama3 })).toEqual({ ...expected, originalContext: 128 });
    expect(
      read({
        rope_scaling: { ...llama3, original_max_position_embeddings: 64 },
        original_max_position_embeddings: 32,
      }),
    ).toEqual({ ...expected, originalContext: 32 });
  });

  it("reads Qwen2, whose window counts only where it is switched on", () => {
    const read = (change: Record<string, unknown>) =>
      configFromHuggingFace(changed({ model_type: "qwen2", sliding_window: 64, ...change }));
    expect(read({ use_sliding_window: false })).toEqual({ ...TINY_CONFIG, architecture: "qwen2" });
    expect(read({ use_sliding_window: true }).contextLength).toBe(64);
    expect(read({ num_attention_heads: 64, num_key_value_heads: undefined }).kvHeads).toBe(32);
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [{ model_type: "gpt2" }, /model_type "gpt2" is not supported/],
    [{ hidden_act: "gelu" }, /hidden_act "gelu"/],
    [{ attention_bias: true }, /attention_bias true is not supported/],
    [{ mlp_bias: true }, /mlp_bias/],
    [{ rope_scaling: { rope_type: "llama3", factor: 8 } }, /rope_scaling\.low_freq_factor: /],
    [{ rope_scaling: { type: "dynamic", factor: 2 } }, /rope_scaling of type "dynamic"/],
    [{ rope_scaling: { type: "linear", factor: "2" } }, /rope_scaling\.factor: /],
    [
      { rope_scaling: { type: "linear", factor: 2, beta_fast: 4 } },
      /rope_scaling\.beta_fast 4 is not supported/,
    ],
    [{ rope_scaling: { type: "linear", rope_type: "yarn", factor: 2 } }, /rope_scaling\.type "linear"/],
    [{ rope_parameters: { rope_theta: 1e4, rope_type: "yarn" } }, /rope_parameters\.factor: /],
    [
      {
        rope_scaling: { type: "linear", factor: 2 },
        rope_parameters: { rope_theta: 1e4, rope_type: "linear", factor: 4 },
      },
      /rope_scaling is .* but rope_parameters is /,
    ],
    [{ hidden_size: 0 }, /hidden_size: /],
    [{ num_hidden_layers: "2" }, /num_hidden_layers: /],
    [{ eos_token_id: "2" }, /eos_token_id: /],
    [{ num_key_value_heads: 3 }, /kvHeads: heads must be a multiple of kvHeads/],
    [{ head_dim: 15 }, /headDim: must be even/],
  ])("refuses %j", (change, message) => {
    const path = changed(change);
    expect(() => configFromHuggingFace(path)).toThrow(message);
    expect(() => configFromHuggingFace(path)).toThrow(/config\.json: /);
  });
});

describe("configFromGguf", () => {
  const u32 = (value: number): TypedValue => ({ type: "u32", value });
  const metadata: Record<string, TypedValue> = {
    "general.architecture": { type: "string", value: "llama" },
    "llama.vocab_size": u32(97),
    "llama.block_count": u32(2),
    "llama.context_length": u32(128),
    "llama.embedding_length": u32(64),
    "llama.feed_forward_length": u32(88),
    "llama.attention.head_count": u32(4),
    "llama.attention.head_count_kv": u32(2),
    "llama.attention.layer_norm_rms_epsilon": { type: "f32", value: 1e-5 },
    "tokenizer.ggml.bos_token_id": u32(1),
    "tokenizer.ggml.eos_token_id": u32(2),
  };
  function read(change: Record<string, TypedValue | undefined>): ModelConfig {
    const path = join(temporaryFolder(), "m.gguf");
    const entries = Object.entries({ ...metadata, ...change }).filter(([, value]) => value !== undefined);
    const head = { name: "output.weight", dtype: "F32", shape: [1], data: new Uint8Array(4) } as const;
    writeFileSync(path, encodeGguf({ metadata: entries as [string, TypedValue][], tensors: [head] }));
    return configFromGguf(openGguf(path));
  }

  it("reads llama.cpp's keys", () => {
    expect(read({})).toEqual(TINY_CONFIG);
    expect(
      read({ "llama.attention.key_length": u32(32), "llama.rope.dimension_count": u32(32) }).headDim,
    ).toBe(32);
    expect(read({ "tokenizer.ggml.eot_token_id": u32(5) }).eosIds).toEqual([2, 5]);
  });

  it("reads the scaling of RoPE", () => {
    const scaled = (type: string, more: Record<string, TypedValue> = {}) =>
      read({
        "llama.rope.scaling.type": { type: "string", value: type },
        "llama.rope.scaling.factor": u32(4),
        ...more,
      }).ropeScaling;
    expect(scaled("linear")).toEqual({ type: "linear", factor: 4 });
    expect(scaled("yarn")).toEqual({ type: "yarn", factor: 4, originalContext: 128 });
    expect(
      scaled("yarn", {
        "llama.rope.scaling.original_context_length": u32(32),
        "llama.rope.scaling.yarn_beta_fast": u32(16),
        "llama.rope.scaling.yarn_beta_slow": u32(2),
      }),
    ).toEqual({ type: "yarn", factor: 4, originalContext: 32, betaFast: 16, betaSlow: 2 });
  });

  it.each<[Record<string, TypedValue | undefined>, RegExp]>([
    [{ "general.architecture": { type: "string", value: "gpt2" } }, /general\.architecture "gpt2"/],
    [{ "llama.block_count": undefined }, /metadata llama\.block_count is missing/],
    [{ "llama.block_count": { type: "string", value: "2" } }, /metadata llama\.block_count is no number/],
    [{ "llama.rope.scaling.type": { type: "string", value: "longrope" } }, /RoPE scaling \(longrope\)/],
    [{ "llama.rope.scaling.yarn_beta_fast": u32(16) }, /llama\.rope\.scaling\.yarn_beta_fast 16/],
    [{ "llama.rope.scaling.yarn_attn_factor": u32(2) }, /llama\.rope\.scaling\.yarn_attn_factor 2/],
    [{ "llama.rope.dimension_count": u32(8) }, /llama\.rope\.dimension_count 8 is not supported/],
    [{ "llama.expert_count": u32(8) }, /llama\.expert_count 8/],
  ])("refuses %j", (change, message) => {
    expect(() => read(change)).toThrow(message);
  });
});

describe("presets", () => {
  it("are all valid, with the models' numbers of parameters", () => {
    // As the models' pages give them; of a model of text and images, those of its text part.
    const counts = {
      "devstral-small-2-2512": 23_572_403_200,
      "devstral-small-2505": 23_572_403_200,
      "devstral-small-2507": 23_572_403_200,
      "llama-3.1-8b-instruct": 8_030_261_248,
      "llama-3.2-1b-instruct": 1_235_814_400,
      "llama-3.2-3b-instruct": 3_212_749_824,
      "qwen2.5-coder-0.5b-instruct": 494_032_768,
      "qwen2.5-coder-1.5b-instruct": 1_543_714_304,
      "qwen2.5-coder-7b-instruct": 7_615_616_512,
      "smollm2-135m": 134_515_008,
    };
    expect(
      Object.fromEntries(presetNames().map((name) => [name, parameters(loadPreset(name).config)])),
    ).toEqual(counts);
  });

  it("are known by name only", () => {
    expect(isPreset("../models/smollm2-135m")).toBe(false);
    expect(() => loadPreset("nothing")).toThrow(
      /no model preset "nothing"\n.*devstral-small-2505, .*smollm2-135m/,
    );
  });
});
