/**
 * Keys of a model's configuration that change its numbers and that ibert's graph does not follow. A model that sets one
 * is refused by that key's name: it would load and answer nonsense. Null, and what leaves the numbers alone, passes.
 */
import { IBertError } from "../errors.js";

export type Value = unknown;
export type Keys = Readonly<Record<string, Value>>;

/** What a value is held against: the model's other keys. */
export interface Context {
  headDim: number;
  hiddenSize: number;
  /** Positions that attention sees; null for all. The context never exceeds them (`ModelConfig.contextLength`). */
  window: number | null;
}

/** Whether a value leaves the numbers as they are. */
export type Neutral = (value: Value, context: Context) => boolean;

export const isObject = (value: Value): value is Keys =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isClose = (value: Value, wanted: number): boolean =>
  typeof value === "number" && Math.abs(value - wanted) <= 1e-6 * Math.abs(wanted);

export const off: Neutral = (value) => value === false || value === 0;
export const one: Neutral = (value) => value === 1;
const none: Neutral = (value) => value === false || (isObject(value) && Object.keys(value).length === 0);
const every =
  (wanted: (element: Value, context: Context) => boolean): Neutral =>
  (value, context) =>
    Array.isArray(value) && value.every((element) => wanted(element, context));
export const among =
  (...words: string[]): Neutral =>
  (value) =>
    words.includes(value as string);
export const wholeHead: Neutral = (value, { headDim }) => value === headDim;
export const headScale: Neutral = (value, { headDim }) => isClose(value, 1 / Math.sqrt(headDim));

/** `config.json`, in the spellings of transformers' models and of MLX. */
const HUGGING_FACE: Readonly<Record<string, Neutral>> = {
  // Layers of other kinds
  hidden_act: among("silu", "swish"),
  hidden_activation: among("silu", "swish"),
  activation_function: among("silu", "swish"),
  is_causal: (value) => value === true,
  is_encoder_decoder: off,
  num_experts: off,
  num_local_experts: off,
  n_routed_experts: off,
  num_experts_per_tok: (value) => value === 0 || value === 1,
  num_kv_shared_layers: off,
  use_qk_norm: off,
  qk_norm: off,
  qk_layernorm: off,
  use_parallel_residual: off,
  parallel_attn: off,
  rms_norm_add_unit_offset: off,
  // Biases
  attention_bias: off,
  attention_out_bias: off,
  qkv_bias: off,
  mlp_bias: off,
  use_bias: off,
  lm_head_bias: off,
  // Attention
  // A text never grows beyond the window, so that a windowed layer sees all of it.
  layer_types: every(
    (type, { window }) => type === "full_attention" || (type === "sliding_attention" && window !== null),
  ),
  attention_chunk_size: off,
  attention_multiplier: headScale,
  attn_logit_softcapping: off,
  attn_temperature_tuning: off,
  clip_qkv: off,
  query_pre_attn_scalar: wholeHead,
  use_bidirectional_attention: off,
  // Positions
  alibi: off,
  no_rope_layers: every((rotates) => rotates === 1 || rotates === true),
  no_rope_layer_interval: off,
  partial_rotary_factor: one,
  position_embedding_type: among("rope", "rotary"),
  rope_interleaved: off,
  rope_traditional: off,
  rope_local_base_freq: () => false,
  rotary_dim: wholeHead,
  rotary_pct: one,
  use_mrope: off,
  // Factors
  embedding_multiplier: one,
  final_logit_softcapping: off,
  logit_scale: one,
  logits_scaling: one,
  residual_multiplier: one,
  scale_depth: one,
  scale_emb: one,
  pretraining_tp: (value) => value === 0 || value === 1,
  // Weights that are not what they look like
  compression_config: none,
  quantization: none,
};

/** Keys that say how the model came to be, or how others run it, though their names sound otherwise. */
const HARMLESS = new Set(
  `attention_dropout attn_dropout attn_implementation _attn_implementation _attn_implementation_autoset attention_probs_dropout_prob
  attn_pdrop classifier_dropout embd_pdrop hidden_dropout hidden_dropout_prob initializer_range max_position_embeddings
  max_window_layers num_attention_heads num_key_value_heads output_attentions original_max_position_embeddings
  resid_pdrop residual_dropout rms_norm_eps rope_parameters rope_scaling rope_theta router_aux_loss_coef output_router_logits
  sliding_window tie_word_embeddings tie_encoder_decoder use_flash_attention use_flash_attn use_sliding_window
  word_embed_proj_dim embedding_dropout use_cache cross_attention_hidden_size add_cross_attention layernorm_epsilon norm_eps
  norm_type bias_init token_type_embeddings`.split(/\s+/),
);
/** Words of names that stand for parts of a decoder's arithmetic. */
const ARITHMETIC =
  /(multiplier|scal(e|ing)|softcap|clip|clamp|rope|rotary|alibi|attn|attention|window|expert|moe|bias|norm|activation|embedding|residual|temperature)/;
/** … and of names that speak of how it is computed or was trained, not of what. */
const HOW = /(fused?|flash|fp32|kernel|backend|implementation|dropout|loss|init|cache|output_)/;

const HINTS: Readonly<Record<string, string>> = {
  quantization:
    "This is a quantised model of MLX, whose weights are not read: name the original model's folder, or a .gguf file.",
};
export const OTHERWISE =
  "The model would load and answer wrongly: ibert runs plain decoders of the Llama, Mistral, Ministral 3 and Qwen2 architectures.";

/** Whether a key's name stands for a part of a decoder's arithmetic. */
export const speaksOfArithmetic = (key: string): boolean => ARITHMETIC.test(key) && !HOW.test(key);

export function unsupported(path: string, key: string, value: Value, hint?: string): IBertError {
  const text = JSON.stringify(value) ?? "";
  const shown = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  return new IBertError("model-config-invalid", `${path}: ${key} ${shown} is not supported`, {
    hint: hint ?? HINTS[key] ?? OTHERWISE,
  });
}

/**
 * Refuses the first key that changes the numbers.
 * @throws IBertError `model-config-invalid` naming the key and its value
 */
export function refuseHuggingFaceKeys(keys: Keys, context: Context, path: string): void {
  for (const [key, neutral] of Object.entries(HUGGING_FACE)) {
    const value = keys[key];
    if (value !== undefined && value !== null && !neutral(value, context))
      throw unsupported(path, key, value);
  }
  // A key that nobody here knows, of a name that speaks of the arithmetic, is not passed over.
  for (const [key, value] of Object.entries(keys)) {
    if (key in HUGGING_FACE || HARMLESS.has(key) || !speaksOfArithmetic(key)) continue;
    if (isOff(value)) continue;
    throw unsupported(path, key, value);
  }
}

/**
 * Null, false, 0 and 1 switch nothing on or multiply by nothing, and so do lists and mappings of nothing else. A text names
 * a choice that is judged elsewhere.
 */
function isOff(value: Value): boolean {
  if (typeof value === "object" && value !== null) return Object.values(value).every(isOff);
  return [undefined, null, false, 0, 1].includes(value as null) || typeof value === "string";
}
