import { z } from "zod";

import { IBertError } from "../errors.js";
import { GgufMetadata } from "../formats/gguf-metadata.js";
import { readRangeSync } from "../formats/file.js";
import type { Gguf } from "../formats/gguf.js";
import { readJson } from "../formats/json.js";
import { refuseHuggingFaceKeys, ropeTheta } from "./config-keys.js";
import { generationEnds, idsIn } from "./ends.js";
import { refuseGgufKeys, refuseOtherKinds } from "./gguf-keys.js";

const Size = z.int().positive();

/** The shape of a Llama/Mistral decoder: all that the graph needs to know besides the weights. */
export const ModelConfig = z
  .strictObject({
    architecture: z.enum(["llama", "mistral"]),
    vocabSize: Size,
    hiddenSize: Size,
    intermediateSize: Size,
    layers: Size,
    heads: Size,
    kvHeads: Size,
    headDim: Size,
    ropeTheta: z.number().positive(),
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
    hint: "ibert runs decoders of the Llama and Mistral architectures.",
  });
}

/** Parses with an error that names the file, the key and the fault. */
export function parseNamed<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalid(path, `${issue?.path.join(".") || "the top"}: ${issue?.message ?? "invalid"}`);
}

/** The keys of a Hugging Face config.json that are read here; `config-keys.ts` looks at the others. */
const HuggingFaceConfig = z.looseObject({
  model_type: z.string(),
  vocab_size: Size,
  hidden_size: Size,
  intermediate_size: Size,
  num_hidden_layers: Size,
  num_attention_heads: Size,
  num_key_value_heads: Size.nullish(),
  head_dim: Size.nullish(),
  rms_norm_eps: z.number().default(1e-6),
  max_position_embeddings: Size,
  sliding_window: Size.nullish(),
  tie_word_embeddings: z.boolean().default(false),
  bos_token_id: z.int().nullish(),
  eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
  text_config: z.looseObject({ eos_token_id: z.unknown().optional() }).nullish().catch(undefined),
});

/**
 * Two keys with the defaults that transformers has for them where they are left out, which differ between the
 * architectures; null is a key head for each head, and no window, in both.
 */
function withDefaults(hf: z.infer<typeof HuggingFaceConfig>): { kvHeads: number; window: number | null } {
  const mistral = hf.model_type === "mistral";
  const {
    num_key_value_heads: kvHeads = mistral ? 8 : null,
    sliding_window: window = mistral ? 4096 : null,
  } = hf;
  return { kvHeads: kvHeads ?? hf.num_attention_heads, window };
}

/**
 * The configuration in a Hugging Face folder's `config.json`.
 * @throws IBertError `model-config-invalid` naming the key, also where the model needs what ibert does not do.
 */
export function configFromHuggingFace(path: string): ModelConfig {
  const hf = parseNamed(HuggingFaceConfig, readJson(path), path);
  if (hf.model_type !== "llama" && hf.model_type !== "mistral") {
    throw invalid(path, `model_type ${JSON.stringify(hf.model_type)} is not supported`);
  }
  const { kvHeads, window } = withDefaults(hf);
  const headDim = hf.head_dim ?? hf.hidden_size / hf.num_attention_heads;
  refuseHuggingFaceKeys(hf, { headDim, hiddenSize: hf.hidden_size, window }, path);
  const theta = ropeTheta(hf, path);
  return parseNamed(
    ModelConfig,
    {
      architecture: hf.model_type,
      vocabSize: hf.vocab_size,
      hiddenSize: hf.hidden_size,
      intermediateSize: hf.intermediate_size,
      layers: hf.num_hidden_layers,
      heads: hf.num_attention_heads,
      kvHeads,
      headDim,
      ropeTheta: theta ?? 10_000,
      rmsNormEps: hf.rms_norm_eps,
      tieWordEmbeddings: hf.tie_word_embeddings,
      // Attention is never windowed here, so that a model trained with a window stays within it.
      contextLength: Math.min(hf.max_position_embeddings, window ?? Infinity),
      bosId: hf.bos_token_id ?? null,
      eosIds: [
        ...new Set([
          ...idsIn(hf.eos_token_id),
          ...idsIn(hf.text_config?.eos_token_id),
          ...generationEnds(path),
        ]),
      ],
    },
    path,
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
  if (architecture !== "llama")
    throw invalid(path, `general.architecture ${JSON.stringify(architecture)} is not supported`);
  const scaling = metadata.string("llama.rope.scaling.type") ?? "none";
  const linearByOne = scaling === "linear" && (metadata.number("llama.rope.scaling.factor") ?? 1) === 1;
  if (scaling !== "none" && !linearByOne) throw invalid(path, `RoPE scaling (${scaling}) is not supported`);
  if (!scalesByOne(gguf)) throw invalid(path, "RoPE scaling (rope_freqs.weight) is not supported");
  const hiddenSize = metadata.requireNumber("llama.embedding_length");
  const heads = metadata.requireNumber("llama.attention.head_count");
  const headDim = metadata.number("llama.attention.key_length") ?? hiddenSize / heads;
  // 0 stands for none.
  const window = metadata.number("llama.attention.sliding_window") || null;
  refuseGgufKeys(gguf.metadata, architecture, { headDim, hiddenSize, window }, path);
  const eos = [
    metadata.requireNumber("tokenizer.ggml.eos_token_id"),
    metadata.number("tokenizer.ggml.eot_token_id"),
    metadata.number("tokenizer.ggml.eom_token_id"),
  ];
  return parseNamed(
    ModelConfig,
    {
      architecture,
      vocabSize:
        gguf.tensors.get("token_embd.weight")?.shape[0] ?? metadata.requireNumber("llama.vocab_size"),
      hiddenSize,
      intermediateSize: metadata.requireNumber("llama.feed_forward_length"),
      layers: metadata.requireNumber("llama.block_count"),
      heads,
      kvHeads: metadata.number("llama.attention.head_count_kv") ?? heads,
      headDim,
      ropeTheta: metadata.number("llama.rope.freq_base") ?? 10_000,
      rmsNormEps: shortestDecimal(metadata.requireNumber("llama.attention.layer_norm_rms_epsilon")),
      tieWordEmbeddings: !gguf.tensors.has("output.weight"),
      contextLength: Math.min(metadata.requireNumber("llama.context_length"), window ?? Infinity),
      bosId: metadata.number("tokenizer.ggml.bos_token_id") ?? null,
      eosIds: [...new Set(eos.filter((id) => id !== undefined))],
    },
    path,
  );
}

/** Whether the divisors of RoPE's frequencies that some converters write are all 1, or absent. */
function scalesByOne(gguf: Gguf): boolean {
  const tensor = gguf.tensors.get("rope_freqs.weight");
  if (tensor === undefined) return true;
  if (tensor.dtype !== "F32") return false;
  const bytes = readRangeSync(tensor);
  for (let at = 0; at < bytes.length; at += 4) if (bytes.readFloatLE(at) !== 1) return false;
  return true;
}

/** 1e-5 for the float32 9.999999747378752e-6: the shortest decimal that rounds to the same float32. */
function shortestDecimal(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(value)) return candidate;
  }
  return value;
}
