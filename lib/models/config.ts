import { z } from "zod";

import { IBertError } from "../errors.js";
import { GgufMetadata } from "../formats/gguf-metadata.js";
import type { Gguf } from "../formats/gguf.js";
import { readJson } from "../formats/json.js";
import { refuseHuggingFaceKeys } from "./config-keys.js";
import { generationEnds, idsIn } from "./ends.js";
import { fp8Block } from "./fp8.js";
import { refuseGgufKeys, refuseOtherKinds } from "./gguf-keys.js";
import { ggufRope } from "./gguf-rope.js";
import { QueryScale, RopeScaling } from "./rope.js";
import { readRope } from "./rope-keys.js";
import { shortestDecimal } from "./shortest-decimal.js";
import { textPart } from "./text-part.js";

const Size = z.int().positive();

/** The decoders of one graph, by the names that Hugging Face has for them. */
export const ARCHITECTURES = ["llama", "mistral", "ministral3", "qwen2"] as const;

/** The shape of a decoder: all that the graph needs to know besides the weights. */
export const ModelConfig = z
  .strictObject({
    architecture: z.enum(ARCHITECTURES),
    vocabSize: Size,
    hiddenSize: Size,
    intermediateSize: Size,
    /** No model comes near the most: each has tensors of its own. */
    layers: Size.max(10_000),
    heads: Size,
    kvHeads: Size,
    headDim: Size,
    ropeTheta: z.number().positive(),
    ropeScaling: RopeScaling.nullable().default(null),
    queryScale: QueryScale.nullable().default(null),
    rmsNormEps: z.number().positive(),
    tieWordEmbeddings: z.boolean(),
    contextLength: Size,
    bosId: z.int().nonnegative().nullable(),
    /** Ids at which a text ends; the tokenizer may know more (`stopIds` of a session has all). */
    eosIds: z.array(z.int().nonnegative()),
  })
  .refine((config) => config.heads % config.kvHeads === 0, {
    message: "heads must be a multiple of kvHeads",
    path: ["kvHeads"],
  })
  .refine((config) => config.headDim % 2 === 0, { message: "must be even for RoPE", path: ["headDim"] });
export type ModelConfig = z.infer<typeof ModelConfig>;

function invalid(path: string, message: string): IBertError {
  return new IBertError("model-config-invalid", `${path}: ${message}`, {
    hint: "ibert runs decoders of the Llama, Mistral, Ministral 3 and Qwen2 architectures.",
  });
}

/** Parses with an error that names the file, the key and the fault. */
export function parseNamed<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalid(path, `${issue?.path.join(".") || "the top"}: ${issue?.message ?? "invalid"}`);
}

/** Keys that may stand around a text part too. */
const SHARED = {
  tie_word_embeddings: z.boolean().default(false),
  bos_token_id: z.int().nullish(),
  eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
};

/** The keys of a Hugging Face config.json that are read here; `config-keys.ts` looks at the others. */
const HuggingFaceConfig = z.looseObject({
  ...SHARED,
  model_type: z.string(),
  vocab_size: Size,
  hidden_size: Size,
  intermediate_size: Size,
  num_hidden_layers: Size,
  num_attention_heads: Size,
  num_key_value_heads: Size.nullish(),
  head_dim: Size.nullish(),
  rms_norm_eps: z.number().optional(),
  max_position_embeddings: Size,
  sliding_window: Size.nullish(),
  use_sliding_window: z.boolean().nullish(),
  text_config: z.looseObject({ eos_token_id: z.unknown().optional() }).nullish().catch(undefined),
});

/** Transformers' defaults of keys that are left out, which differ between the architectures. */
const DEFAULTS: Readonly<
  Record<
    ModelConfig["architecture"],
    { kvHeads: number | null; window: number | null; headDim: number | null; eps: number }
  >
> = {
  llama: { kvHeads: null, window: null, headDim: null, eps: 1e-6 },
  mistral: { kvHeads: 8, window: 4096, headDim: null, eps: 1e-6 },
  ministral3: { kvHeads: 8, window: null, headDim: 128, eps: 1e-5 },
  qwen2: { kvHeads: 32, window: 4096, headDim: null, eps: 1e-6 },
};

/** Those keys; null is a key head for each head, no window, and heads that share the hidden size. */
function withDefaults(
  hf: z.infer<typeof HuggingFaceConfig>,
  architecture: ModelConfig["architecture"],
): { kvHeads: number; window: number | null; headDim: number; eps: number } {
  const defaults = DEFAULTS[architecture];
  const { num_key_value_heads: kvHeads = defaults.kvHeads, sliding_window: window = defaults.window } = hf;
  const { head_dim: headDim = defaults.headDim, rms_norm_eps: eps = defaults.eps } = hf;
  // Qwen2 names a window that only `use_sliding_window` switches on.
  const windowed = architecture !== "qwen2" || hf.use_sliding_window === true;
  return {
    kvHeads: kvHeads ?? hf.num_attention_heads,
    window: windowed ? window : null,
    headDim: headDim ?? hf.hidden_size / hf.num_attention_heads,
    eps,
  };
}

/**
 * The configuration in a Hugging Face folder's `config.json`; of a model of text and images, that of its text part.
 * @throws IBertError `model-config-invalid` naming the key, also where the model needs what ibert does not do.
 */
export function configFromHuggingFace(path: string): ModelConfig {
  return decoderConfig(readJson(path), path);
}

/** … from the keys of a `config.json`, wherever they come from. @param path the file that errors name */
export function decoderConfig(file: unknown, path: string): ModelConfig {
  const part = textPart(file, path);
  const around = parseNamed(z.looseObject(SHARED), part?.around ?? {}, path);
  const at = part === undefined ? path : `${path} (text_config)`;
  const hf = parseNamed(HuggingFaceConfig, part?.text ?? file, at);
  const architecture = ARCHITECTURES.find((name) => name === hf.model_type);
  if (architecture === undefined) {
    throw invalid(at, `model_type ${JSON.stringify(hf.model_type)} is not supported`);
  }
  const { kvHeads, window, headDim, eps } = withDefaults(hf, architecture);
  const context = { headDim, hiddenSize: hf.hidden_size, window };
  refuseHuggingFaceKeys(around, context, path);
  refuseHuggingFaceKeys(hf, context, at);
  // Only refuses here: how the weights are stored is no matter of the decoder's.
  fp8Block(file, path);
  const { theta, scaling, queryScale } = readRope(hf, at);
  // Without the keys transformers takes a stretching of its own, or fails.
  if (architecture === "ministral3" && (theta === undefined || queryScale === null))
    throw invalid(at, "rope_parameters: rope_theta and llama_4_scaling_beta are needed");
  return parseNamed(
    ModelConfig,
    {
      architecture,
      vocabSize: hf.vocab_size,
      hiddenSize: hf.hidden_size,
      intermediateSize: hf.intermediate_size,
      layers: hf.num_hidden_layers,
      heads: hf.num_attention_heads,
      kvHeads,
      headDim,
      ropeTheta: theta ?? 10_000,
      ropeScaling: scaling,
      queryScale,
      rmsNormEps: eps,
      tieWordEmbeddings: hf.tie_word_embeddings || around.tie_word_embeddings,
      // Attention is never windowed here, so that a model trained with a window stays within it.
      contextLength: Math.min(hf.max_position_embeddings, window ?? Infinity),
      bosId: hf.bos_token_id ?? around.bos_token_id ?? null,
      eosIds: [
        ...new Set([
          ...idsIn(hf.eos_token_id),
          ...idsIn(around.eos_token_id),
          ...idsIn(hf.text_config?.eos_token_id),
          ...generationEnds(path),
        ]),
      ],
    },
    at,
  );
}

/**
 * The configuration in a GGUF's metadata. llama.cpp's converter calls Mistral models `llama` too; the graph is the same.
 * @throws IBertError `model-config-invalid` naming the key.
 */
export function configFromGguf(gguf: Gguf): ModelConfig {
  const { path } = gguf;
  const metadata = new GgufMetadata(gguf);
  refuseOtherKinds(gguf.metadata, path);
  const architecture = metadata.requireString("general.architecture");
  if (architecture !== "llama" && architecture !== "qwen2")
    throw invalid(path, `general.architecture ${JSON.stringify(architecture)} is not supported`);
  const key = (name: string): string => `${architecture}.${name}`;
  const hiddenSize = metadata.requireNumber(key("embedding_length"));
  const heads = metadata.requireNumber(key("attention.head_count"));
  const headDim = metadata.number(key("attention.key_length")) ?? hiddenSize / heads;
  // 0 stands for none.
  const window = metadata.number(key("attention.sliding_window")) || null;
  const contextLength = metadata.requireNumber(key("context_length"));
  const { theta, scaling } = ggufRope(metadata, architecture, { headDim, contextLength });
  refuseGgufKeys(gguf.metadata, architecture, { headDim, hiddenSize, window, ropeScaling: scaling }, path);
  const eos = [
    metadata.requireNumber("tokenizer.ggml.eos_token_id"),
    metadata.number("tokenizer.ggml.eot_token_id"),
    metadata.number("tokenizer.ggml.eom_token_id"),
  ];
  return parseNamed(
    ModelConfig,
    {
      architecture,
      vocabSize: gguf.tensors.get("token_embd.weight")?.shape[0] ?? metadata.requireNumber(key("vocab_size")),
      hiddenSize,
      intermediateSize: metadata.requireNumber(key("feed_forward_length")),
      layers: metadata.requireNumber(key("block_count")),
      heads,
      kvHeads: metadata.number(key("attention.head_count_kv")) ?? heads,
      headDim,
      ropeTheta: theta,
      ropeScaling: scaling,
      rmsNormEps: shortestDecimal(metadata.requireNumber(key("attention.layer_norm_rms_epsilon"))),
      tieWordEmbeddings: !gguf.tensors.has("output.weight"),
      contextLength: Math.min(contextLength, window ?? Infinity),
      bosId: metadata.number("tokenizer.ggml.bos_token_id") ?? null,
      eosIds: [...new Set(eos.filter((id) => id !== undefined))],
    },
    path,
  );
}
