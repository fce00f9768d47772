/** Model folders and GGUFs as people have them: what each answers, or by what name it is refused. */
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { TensorToWrite } from "../formats/safetensors-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { InferenceEngine } from "../generation/engine.js";
import { generate } from "../generation/generate.js";
import { mergeAdapter } from "./merge.js";
import { ModelSession } from "./session.js";
import { resolveSource } from "./sources.js";
import { FIRST_END, LAST_END, writeChainModel, type ChainModel } from "./testing/chain-model.js";
import { writeSmallAdapter } from "./testing/small-model.js";
import { openWeights } from "./weights.js";

/** What the model says after `x`, special tokens in it. */
async function answer(base: string): Promise<string> {
  await using session = await ModelSession.open({ base, backend: "cpu", threads: 1 });
  const { tokenizer, stopIds } = session;
  const engine = new InferenceEngine(session, undefined, {
    activations: "f32",
    maxRows: 16,
    maxSequences: 1,
    maxPositions: 64,
  });
  const [completion] = await generate(engine, [tokenizer.encode("x")], {
    stopIds,
    maxTokens: 6,
    temperature: 0,
  });
  return tokenizer.decode(completion?.ids ?? []);
}

interface Refusal {
  code: string;
  /** All stand in the message. */
  names: string[];
}

async function check(model: ChainModel, expected: string | Refusal): Promise<void> {
  const folder = temporaryFolder();
  await writeChainModel(folder, model);
  if (typeof expected === "string") {
    expect(await answer(folder)).toBe(expected);
    return;
  }
  const error = await answer(folder).then(
    (text) => expect.unreachable(`it answered ${JSON.stringify(text)}`),
    (error: unknown) => error as Error & { code: string },
  );
  expect([error.code, error.message]).toEqual([expected.code, expect.any(String)]);
  for (const name of expected.names) expect(error.message).toContain(name);
}

const WHOLE = `ab</s>cd`;

describe("ends of text", () => {
  it.each<[string, ChainModel, string]>([
    ["a list in config.json", { config: { eos_token_id: [LAST_END, FIRST_END] } }, "ab"],
    ["one in config.json", { config: { eos_token_id: FIRST_END } }, "ab"],
    ["the tokenizer's alone", { config: { eos_token_id: LAST_END } }, WHOLE],
    ["none in config.json", { config: { eos_token_id: undefined } }, WHOLE],
    [
      "one under text_config",
      { config: { eos_token_id: null, text_config: { eos_token_id: FIRST_END } } },
      "ab",
    ],
    [
      "a list in generation_config.json",
      {
        config: { eos_token_id: LAST_END },
        files: { "generation_config.json": `{"eos_token_id": [${LAST_END}, ${FIRST_END}]}` },
      },
      "ab",
    ],
    [
      "odd values in generation_config.json",
      {
        config: { eos_token_id: LAST_END },
        files: { "generation_config.json": '{"eos_token_id": "none", "temperature": "hot"}' },
      },
      WHOLE,
    ],
    [
      "a damaged generation_config.json",
      { config: { eos_token_id: LAST_END }, files: { "generation_config.json": "{" } },
      WHOLE,
    ],
    [
      "one in special_tokens_map.json",
      {
        config: { eos_token_id: LAST_END },
        files: { "special_tokens_map.json": '{"eos_token": {"content": "</s>"}}' },
      },
      "ab",
    ],
    [
      "one in tokenizer_config.json",
      { config: { eos_token_id: LAST_END }, tokenizerConfig: { eos_token: "</s>" } },
      "ab",
    ],
  ])("%s", async (_, model, expected) => {
    await check(model, expected);
  });
});

describe("keys that change the numbers", () => {
  const yarn = { factor: 4, original_max_position_embeddings: 128 };
  it.each<[Record<string, unknown>, string[]]>([
    [{ rope_parameters: { type: "linear", factor: 4, rope_theta: 1e4 } }, ["rope_parameters", '"linear"']],
    [{ rope_parameters: { rope_type: "yarn", ...yarn } }, ["rope_parameters", '"yarn"']],
    [{ rope_parameters: { full_attention: { type: "llama3", factor: 8 } } }, ["full_attention", '"llama3"']],
    [{ rope_scaling: { type: "dynamic", factor: 2 } }, ["rope_scaling", '"dynamic"']],
    [{ rope_scaling: { factor: 2 } }, ["rope_scaling", "factor 2"]],
    [
      { rope_parameters: { rope_theta: 5e5 } },
      ["rope_parameters.rope_theta is 500000", "rope_theta is 10000"],
    ],
    [
      { rope_parameters: { rope_type: "default", partial_rotary_factor: 0.5 } },
      ["partial_rotary_factor 0.5"],
    ],
    [{ partial_rotary_factor: 0.25 }, ["partial_rotary_factor 0.25"]],
    [{ rotary_pct: 0.5 }, ["rotary_pct 0.5"]],
    [{ hidden_act: "gelu" }, ['hidden_act "gelu"']],
    [{ hidden_activation: "gelu_pytorch_tanh" }, ["hidden_activation"]],
    [{ attention_bias: true }, ["attention_bias"]],
    [{ mlp_bias: true }, ["mlp_bias"]],
    [{ attn_logit_softcapping: 50 }, ["attn_logit_softcapping 50"]],
    [{ final_logit_softcapping: 30 }, ["final_logit_softcapping 30"]],
    [{ logit_scale: 0.0625 }, ["logit_scale"]],
    [{ attention_multiplier: 0.01 }, ["attention_multiplier"]],
    [{ residual_multiplier: 0.2 }, ["residual_multiplier"]],
    [{ embedding_multiplier: 12 }, ["embedding_multiplier"]],
    [{ num_local_experts: 8 }, ["num_local_experts 8"]],
    [{ quantization_config: { quant_method: "awq", bits: 4 } }, ["quantization_config", "awq"]],
    [{ quantization: { group_size: 64, bits: 4 } }, ["quantization", "MLX"]],
    [{ layer_types: ["sliding_attention"] }, ["layer_types", "sliding_attention"]],
    [{ no_rope_layers: [0] }, ["no_rope_layers"]],
    [{ use_qk_norm: true }, ["use_qk_norm"]],
    [{ pretraining_tp: 2 }, ["pretraining_tp 2"]],
  ])("refuses %j", async (config, names) => {
    await check({ config }, { code: "model-config-invalid", names: ["config.json", ...names] });
  });

  it("takes them where they leave the numbers alone", async () => {
    const config = {
      rope_theta: null,
      rope_parameters: { full_attention: { rope_type: "default", rope_theta: 1e4, factor: 1 } },
      rope_scaling: null,
      partial_rotary_factor: 1,
      attention_bias: false,
      attn_logit_softcapping: null,
      attention_multiplier: 0.125,
      logits_scaling: 1,
      num_local_experts: 0,
      layer_types: ["full_attention"],
      no_rope_layers: [1],
      pretraining_tp: 1,
      quantization_config: null,
      sliding_window: 128,
    };
    await check({ config }, "ab");
  });
});

describe("tensors", () => {
  const wrongHead = (tensors: Map<string, TensorToWrite>): void => {
    // `x` is answered with "..." by the embedding that stands in for the head.
    tensors.delete("lm_head.weight");
  };
  const extra =
    (name: string, shape: number[]) =>
    (tensors: Map<string, TensorToWrite>): void => {
      const size = shape.reduce((a, b) => a * b, 1);
      tensors.set(name, { dtype: "F32", shape, data: new Float32Array(size).fill(1) });
    };

  it("a stored head wins over tie_word_embeddings", async () => {
    await check({ config: { tie_word_embeddings: true } }, "ab");
    const folder = temporaryFolder();
    await writeChainModel(folder, { config: { tie_word_embeddings: true } });
    const source = await resolveSource(folder);
    expect(openWeights(source).remarks).toEqual([expect.stringContaining("lm_head.weight")]);
  });

  it("a tied head without a tensor, or with the embedding's, is the embedding", async () => {
    await check({ config: { tie_word_embeddings: true }, tensors: wrongHead }, "xxxxxx");
    const folder = temporaryFolder();
    await writeChainModel(folder, {
      config: { tie_word_embeddings: true },
      tensors: (tensors) => tensors.set("lm_head.weight", tensors.get("model.embed_tokens.weight")!),
    });
    const weights = openWeights(await resolveSource(folder));
    expect([weights.config.tieWordEmbeddings, weights.remarks]).toEqual([true, []]);
  });

  it("a merge writes the stored head", async () => {
    const folder = temporaryFolder();
    const base = join(folder, "base");
    await writeChainModel(base, { config: { tie_word_embeddings: true } });
    const source = await resolveSource(base);
    await writeSmallAdapter(join(folder, "adapter"), openWeights(source).config);
    const output = join(folder, "merged");
    const { tensors } = await mergeAdapter({
      source,
      adapter: join(folder, "adapter"),
      output,
      dtype: "f32",
    });
    expect(tensors).toBe(12);
    expect(await answer(output)).toBe("ab");
    expect(openWeights(await resolveSource(output)).remarks).toEqual([]);
  });

  it.each<[string, number[]]>([
    ["model.layers.0.self_attn.q_proj.bias", [320]],
    ["model.layers.0.self_attn.q_norm.weight", [64]],
    ["model.layers.1.input_layernorm.weight", [320]],
    ["model.layers.0.self_attn.q_proj.lora_A.weight", [4, 320]],
    ["vision_tower.patch_conv.weight", [4, 4]],
    ["lm_head.bias", [320]],
  ])("refuses %s", async (name, shape) => {
    await check({ tensors: extra(name, shape) }, { code: "weights-invalid", names: [name, "unexpected"] });
  });

  it("passes over frequencies that follow from the configuration", async () => {
    await check({ tensors: extra("model.layers.0.self_attn.rotary_emb.inv_freq", [32]) }, "ab");
  });

  it("names a missing head", async () => {
    await check({ tensors: wrongHead }, { code: "weights-invalid", names: ["lm_head.weight", "missing"] });
  });
});
