/**
 * Mistral's own layout of a model: `params.json` beside `consolidated*.safetensors`. Its keys are brought into those of a
 * `config.json`, so that one set of checks judges both; its tensors have names of their own, and the rows of q and k stand
 * for interleaved RoPE, as in a GGUF of a Llama.
 * Sources: mistral-inference's `TransformerArgs` and `VisionEncoderArgs`; vLLM's `transformers_utils/configs/mistral.py`.
 */
import { z } from "zod";

import { readJson } from "../formats/json.js";
import { decoderConfig, parseNamed, type ModelConfig } from "./config.js";
import { isObject, unsupported, type Keys, type Value } from "./config-keys.js";

const Size = z.int().positive();

const Params = z.looseObject({
  dim: Size,
  n_layers: Size,
  head_dim: Size,
  hidden_dim: Size,
  n_heads: Size,
  n_kv_heads: Size,
  norm_eps: z.number().positive(),
  vocab_size: Size,
  rope_theta: z.number().positive(),
  max_position_embeddings: Size.nullish(),
  max_seq_len: Size.nullish(),
  sliding_window: Size.nullish(),
  tied_embeddings: z.boolean().nullish(),
  activation: z.string().nullish(),
  yarn: z
    .strictObject({
      factor: z.number().positive(),
      original_max_position_embeddings: Size,
      alpha: z.number().positive(),
      beta: z.number().positive(),
      apply_scale: z.boolean(),
    })
    .nullish(),
  llama_4_scaling: z
    .strictObject({ beta: z.number().nonnegative(), original_max_position_embeddings: Size })
    .nullish(),
  quantization: z
    .strictObject({ qformat_weight: z.literal("fp8_e4m3"), qscheme_act: z.string().nullish() })
    .nullish(),
});
type Params = z.infer<typeof Params>;

/** What says how the model came to be or is run, or speaks of images alone. */
const HARMLESS = new Set(["vision_encoder", "multimodal", "max_batch_size", "dtype", "model_parallel"]);
/** … and what passes with one value. */
const JUDGED: Readonly<Record<string, (value: Value) => boolean>> = {
  model_type: (value) => value === "transformer" || value === "mistral",
  causal: (value) => value === true,
};

/**
 * A `params.json` in the keys of a `config.json`.
 * @throws IBertError `model-config-invalid` naming the key that is missing, wrong or not known here
 */
export function configKeysOf(file: Value, path: string): Keys {
  const params = parseNamed(Params, file, path);
  for (const [key, value] of Object.entries(params)) {
    if (key in Params.shape || HARMLESS.has(key) || isNothing(value) || JUDGED[key]?.(value) === true)
      continue;
    throw unsupported(path, key, value);
  }
  if (isObject(params.multimodal) && !isNothing(params.multimodal.whisper_model_args))
    throw unsupported(path, "multimodal.whisper_model_args", params.multimodal.whisper_model_args);
  const positions = params.max_position_embeddings ?? params.max_seq_len;
  if (positions === undefined || positions === null) {
    throw unsupported(
      path,
      "max_position_embeddings",
      null,
      "Add the number of positions that the model was trained for, e.g. from the model's page.",
    );
  }
  return {
    model_type: params.llama_4_scaling ? "ministral3" : "mistral",
    hidden_size: params.dim,
    num_hidden_layers: params.n_layers,
    head_dim: params.head_dim,
    intermediate_size: params.hidden_dim,
    num_attention_heads: params.n_heads,
    num_key_value_heads: params.n_kv_heads,
    rms_norm_eps: params.norm_eps,
    vocab_size: params.vocab_size,
    max_position_embeddings: positions,
    sliding_window: params.sliding_window ?? null,
    hidden_act: params.activation ?? "silu",
    tie_word_embeddings: params.tied_embeddings ?? false,
    rope_parameters: ropeKeys(params),
    // `<s>` and `</s>` of all of Mistral's tokenizers.
    bos_token_id: 1,
    eos_token_id: 2,
    ...(params.quantization
      ? { quantization_config: { quant_method: "fp8", activation_scheme: "static", weight_block_size: null } }
      : {}),
  };
}

function ropeKeys({ rope_theta, yarn, llama_4_scaling: scaling }: Params): Keys {
  return {
    rope_theta,
    ...(yarn
      ? {
          rope_type: "yarn",
          factor: yarn.factor,
          original_max_position_embeddings: yarn.original_max_position_embeddings,
          beta_fast: yarn.beta,
          beta_slow: yarn.alpha,
          // `apply_scale` switches YaRN's magnitude; these two make it 1, as Mistral's own config.json say it.
          ...(yarn.apply_scale ? {} : { mscale: 1, mscale_all_dim: 1 }),
        }
      : { rope_type: "default" }),
    ...(scaling
      ? {
          llama_4_scaling_beta: scaling.beta,
          original_max_position_embeddings: scaling.original_max_position_embeddings,
        }
      : {}),
  };
}

const isNothing = (value: Value): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  (typeof value === "object" && Object.keys(value).length === 0);

/** @throws IBertError `model-config-invalid` as `configFromHuggingFace` does */
export function configFromMistral(path: string): ModelConfig {
  return decoderConfig(configKeysOf(readJson(path), path), path);
}

const TOP: Readonly<Record<string, string>> = {
  "tok_embeddings.weight": "model.embed_tokens.weight",
  "norm.weight": "model.norm.weight",
  "output.weight": "lm_head.weight",
};
const MODULES: Readonly<Record<string, string>> = {
  attention_norm: "input_layernorm",
  ffn_norm: "post_attention_layernorm",
  "attention.wq": "self_attn.q_proj",
  "attention.wk": "self_attn.k_proj",
  "attention.wv": "self_attn.v_proj",
  "attention.wo": "self_attn.o_proj",
  "feed_forward.w1": "mlp.gate_proj",
  "feed_forward.w2": "mlp.down_proj",
  "feed_forward.w3": "mlp.up_proj",
};
const ATTRIBUTES: Readonly<Record<string, string>> = {
  weight: "weight",
  qscale_weight: "weight_scale_inv",
  qscale_act: "activation_scale",
};

/** Hugging Face's name of a stored tensor; the stored one where no decoder has such a tensor. */
export function nameOfMistral(stored: string): string {
  const top = TOP[stored];
  if (top !== undefined) return top;
  const [, layer, part = "", attribute = ""] = /^layers\.(\d+)\.(.+)\.(\w+)$/.exec(stored) ?? [];
  const [module, own] = [MODULES[part], ATTRIBUTES[attribute]];
  return module === undefined || own === undefined ? stored : `model.layers.${layer}.${module}.${own}`;
}

const VISION =
  /^(vision_encoder|vision_language_adapter|vision_language_projection|patch_merger|pre_mm_projector_norm)\./;

/** Whether a stored tensor belongs to the part that reads images. */
export const isMistralVision = (stored: string): boolean => VISION.test(stored);
