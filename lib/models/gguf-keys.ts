/**
 * Which metadata of a GGUF ibert's graph follows. Unlike a config.json, which carries settings of training and of other
 * programs, a GGUF has keys of the architecture for running it alone: one that is not understood here is refused by name.
 * Names: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and llama.cpp's `gguf-py/gguf/constants.py`.
 */
import type { GgufValue } from "../formats/gguf.js";
import {
  among,
  headScale,
  off,
  one,
  speaksOfArithmetic,
  unsupported,
  wholeHead,
  type Context,
} from "./config-keys.js";
import type { RopeScaling } from "./rope.js";

/** What a value is held against. */
interface GgufContext extends Context {
  ropeScaling: RopeScaling | null;
}

/** Below the architecture's name: what `configFromGguf` reads. */
const READ = new Set([
  "attention.head_count",
  "attention.head_count_kv",
  "attention.layer_norm_rms_epsilon",
  "attention.sliding_window",
  "block_count",
  "context_length",
  "embedding_length",
  "feed_forward_length",
  "rope.freq_base",
  "rope.scaling.type",
]);

/** … what passes where it leaves the numbers alone. */
const JUDGED: Readonly<Record<string, (value: GgufValue, context: GgufContext) => boolean>> = {
  "attention.causal": (value) => value === true,
  "attention.clamp_kqv": off,
  "attention.key_length": wholeHead,
  "attention.max_alibi_bias": off,
  "attention.scale": headScale,
  // Which layers are windowed does not matter where the context ends with the window.
  "attention.sliding_window_pattern": (_, { window }) => window !== null,
  "attention.value_length": wholeHead,
  attn_logit_softcapping: off,
  embedding_length_out: (value, { hiddenSize }) => value === hiddenSize,
  embedding_scale: one,
  expert_count: off,
  expert_feed_forward_length: off,
  expert_group_count: off,
  expert_group_used_count: off,
  expert_shared_count: off,
  expert_used_count: off,
  final_logit_softcapping: off,
  leading_dense_block_count: off,
  logit_scale: one,
  nextn_predict_layers: off,
  pooling_type: off,
  residual_scale: one,
  "rope.dimension_count": wholeHead,
  "rope.scale_linear": one,
  "rope.scaling.attn_factor": one,
  // Without a scaling that takes them, they are no use or a mistake.
  "rope.scaling.factor": (value, { ropeScaling }) =>
    value === 1 || (ropeScaling !== null && ropeScaling.type !== "llama3"),
  "rope.scaling.yarn_attn_factor": one,
  "rope.scaling.yarn_beta_fast": (_, { ropeScaling }) => ropeScaling?.type === "yarn",
  "rope.scaling.yarn_beta_slow": (_, { ropeScaling }) => ropeScaling?.type === "yarn",
  "rope.scaling.yarn_ext_factor": one,
  // The order in which llama.cpp's first converter, and every later one, leaves the rows of q and k.
  tensor_data_layout: among("Meta AI original pth"),
  use_parallel_residual: off,
};

/** … and what never changes them: settings of a scaling that `rope.scaling.type` has to name, or of layers of other models. */
const HARMLESS = new Set([
  "attention.layer_norm_epsilon",
  "rope.scaling.finetuned",
  "rope.scaling.original_context_length",
  "vocab_size",
]);

/** Names that belong to no architecture. What a tokenizer's keys ask for is `tokenizer-gguf.ts`'s to judge. */
const OF_THE_FILE = /^(general|imatrix|quantize|split|tokenizer)\./;

const KINDS: Readonly<Record<string, string>> = {
  adapter: "This is a LoRA adapter: name its base model here. Adapters are read as PEFT folders.",
  mmproj: "This is the part of a model that reads pictures; name the file of the language model.",
  vocab: "This file holds a vocabulary alone; name the file of the model.",
  imatrix: "This file holds what quantisation measured; name the file of the model.",
};

/**
 * Refuses a file that is no model, by the name of what it is.
 * @throws IBertError `model-config-invalid`
 */
export function refuseOtherKinds(metadata: ReadonlyMap<string, GgufValue>, path: string): void {
  const type = metadata.get("general.type") ?? "model";
  if (type !== "model") throw unsupported(path, "general.type", type, KINDS[type as string]);
}

/**
 * Refuses the first key that changes the numbers or is not known.
 * @throws IBertError `model-config-invalid` naming the key and its value
 */
export function refuseGgufKeys(
  metadata: ReadonlyMap<string, GgufValue>,
  architecture: string,
  context: GgufContext,
  path: string,
): void {
  const prefix = `${architecture}.`;
  for (const [key, value] of metadata) {
    if (!key.startsWith(prefix)) {
      if (!OF_THE_FILE.test(key) && speaksOfArithmetic(key)) throw unsupported(path, key, value);
      continue;
    }
    const name = key.slice(prefix.length);
    if (READ.has(name) || HARMLESS.has(name)) continue;
    if (JUDGED[name]?.(value, context) !== true) throw unsupported(path, key, value);
  }
}
