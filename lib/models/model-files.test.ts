/** Model folders and GGUFs as people have them: what each answers, or by what name it is refused. */
import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { InferenceEngine } from "../generation/engine.js";
import { generate } from "../generation/generate.js";
import { ModelSession } from "./session.js";
import { FIRST_END, LAST_END, writeChainModel, type ChainModel } from "./testing/chain-model.js";

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
