/**
 * Merging into a Hugging Face folder, which needs no adapter then: of every tensor the rows of merged-rows.ts. Weights are
 * read, merged and written in pieces.
 */
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";

import { replaceDirectoryAtomic, writeFileAtomic } from "../formats/atomic.js";
import { tensorBytes } from "../formats/dtypes.js";
import { openGguf } from "../formats/gguf.js";
import { readJson } from "../formats/json.js";
import { readPeftAdapter } from "../formats/peft.js";
import { writeSafetensors, type StreamedTensor } from "../formats/safetensors-writer.js";
import { loraShapes } from "./adapter-file.js";
import type { ModelConfig } from "./config.js";
import { ropeParameters, scalingKeys } from "./rope-keys.js";
import type { ModelSource } from "./sources.js";
import { textPart } from "./text-part.js";
import { tokenizerJsonFromGguf } from "./tokenizer-gguf.js";
import { DivergenceMeter, storedRows, updateOf, type Divergence } from "./merged-rows.js";
import { openWeights } from "./weights.js";

export interface MergeOptions {
  source: ModelSource;
  /** PEFT folder. */
  adapter: string;
  /** Folder of the merged model, replaced whole. */
  output: string;
  dtype?: "bf16" | "f32";
  /** Told after each tensor. */
  onProgress?: (written: number, total: number) => void;
}

export interface MergeResult {
  /** Linears that the adapter changed. */
  merged: number;
  tensors: number;
  files: string[];
  bytes: number;
  /** How far the stored weights are from W + scale B A. */
  divergence: Divergence;
}

/** Bytes of one safetensors file; a larger model is split, with an index, as transformers does. */
const SHARD_BYTES = 5e9;
const FILES_OF_A_MODEL = [
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "chat_template.jinja",
  "tekken.json",
];

/**
 * Writes the merged model.
 * @throws IBertError naming file and tensor when base and adapter do not fit, or `disk-full`, `write-failed`.
 */
export async function mergeAdapter(options: MergeOptions): Promise<MergeResult> {
  const { source, output, dtype = "bf16", onProgress } = options;
  const weights = openWeights(source);
  const adapter = await readPeftAdapter(options.adapter, loraShapes(weights.config));
  const stored = dtype === "bf16" ? "BF16" : "F32";
  const divergence = new DivergenceMeter();
  let written = 0;
  const tensors = weights.names.map((name): [string, StreamedTensor] => {
    const weight = weights.tensor(name);
    const data = async function* (): AsyncGenerator<Uint8Array> {
      yield* storedRows(weight, stored, updateOf(name, adapter), divergence);
      onProgress?.(++written, weights.names.length);
    };
    return [name, { dtype: stored, shape: weight.shape, data }];
  });
  const shards = split(tensors);
  const bytes = tensors.reduce((sum, [, tensor]) => sum + tensorBytes(tensor.dtype, tensor.shape), 0);
  const files = shards.map((_, i) => shardName(i, shards.length));
  await replaceDirectoryAtomic(output, async (folder) => {
    for (const [i, shard] of shards.entries()) {
      await writeSafetensors(join(folder, files[i] as string), new Map(shard), {
        metadata: { format: "pt" },
      });
    }
    if (shards.length > 1) {
      const map = shards.flatMap((shard, i) => shard.map(([name]) => [name, files[i]]));
      const index = { metadata: { total_size: bytes }, weight_map: Object.fromEntries(map) as unknown };
      await writeFileAtomic(join(folder, "model.safetensors.index.json"), toJson(index));
    }
    await writeModelFiles(folder, source, weights.config, dtype);
  });
  return { merged: divergence.tensors, tensors: tensors.length, files, bytes, divergence: divergence.result };
}

function split(tensors: [string, StreamedTensor][]): [string, StreamedTensor][][] {
  const shards: [string, StreamedTensor][][] = [[]];
  let size = 0;
  for (const entry of tensors) {
    const bytes = tensorBytes(entry[1].dtype, entry[1].shape);
    if (size > 0 && size + bytes > SHARD_BYTES) {
      shards.push([]);
      size = 0;
    }
    shards.at(-1)?.push(entry);
    size += bytes;
  }
  return shards;
}

function shardName(index: number, count: number): string {
  if (count === 1) return "model.safetensors";
  const five = (value: number): string => String(value).padStart(5, "0");
  return `model-${five(index + 1)}-of-${five(count)}.safetensors`;
}

const toJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Configuration and tokenizer: the base folder's own, or rebuilt from a GGUF's metadata. */
async function writeModelFiles(
  folder: string,
  source: ModelSource,
  config: ModelConfig,
  dtype: "bf16" | "f32",
): Promise<void> {
  const torchDtype = dtype === "bf16" ? "bfloat16" : "float32";
  const write = (name: string, value: unknown): Promise<void> =>
    writeFileAtomic(join(folder, name), toJson(value));
  if (source.format === "huggingface") {
    const path = join(source.path, "config.json");
    const file = readJson(path) as Record<string, unknown>;
    const text = textPart(file, path)?.text;
    const own = text === undefined ? file : { ...text, ...aloneKeys(config) };
    const { tieWordEmbeddings } = config;
    await write("config.json", {
      ...own,
      ...(own.tie_word_embeddings === true ? { tie_word_embeddings: tieWordEmbeddings } : {}),
      // Merged weights are plain.
      quantization_config: undefined,
      torch_dtype: torchDtype,
    });
  } else {
    await write("config.json", { ...huggingFaceConfig(config), torch_dtype: torchDtype });
  }
  if (source.format !== "gguf") {
    for (const name of FILES_OF_A_MODEL) {
      if (existsSync(join(source.path, name))) copyFileSync(join(source.path, name), join(folder, name));
    }
    return;
  }
  const { json, settings } = tokenizerJsonFromGguf(openGguf(source.path));
  const content = (id: number | null): string | null =>
    json.added_tokens.find((token) => token.id === id)?.content ?? null;
  await write("tokenizer.json", { version: "1.0", truncation: null, padding: null, ...json });
  await write("tokenizer_config.json", {
    tokenizer_class: "PreTrainedTokenizerFast",
    add_bos_token: settings.addBos,
    bos_token: content(settings.bosId),
    eos_token: content(settings.eosId),
    clean_up_tokenization_spaces: false,
    ...(settings.chatTemplate === undefined ? {} : { chat_template: settings.chatTemplate }),
  });
}

const CLASSES: Readonly<Record<ModelConfig["architecture"], string>> = {
  llama: "LlamaForCausalLM",
  mistral: "MistralForCausalLM",
  ministral3: "Ministral3ForCausalLM",
  qwen2: "Qwen2ForCausalLM",
};

/** What makes a text part a model of its own: its class, and the keys that may have stood around it. */
const aloneKeys = (config: ModelConfig): Record<string, unknown> => ({
  architectures: [CLASSES[config.architecture]],
  tie_word_embeddings: config.tieWordEmbeddings,
  bos_token_id: config.bosId,
  eos_token_id: config.eosIds.length === 1 ? config.eosIds[0] : config.eosIds,
});

/** The content of a `config.json` that transformers reads. */
function huggingFaceConfig(config: ModelConfig): Record<string, unknown> {
  return {
    ...aloneKeys(config),
    model_type: config.architecture,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    hidden_act: "silu",
    max_position_embeddings: config.contextLength,
    rms_norm_eps: config.rmsNormEps,
    ...(config.architecture === "ministral3"
      ? { rope_parameters: ropeParameters(config.ropeTheta, config.ropeScaling, config.queryScale) }
      : {
          rope_theta: config.ropeTheta,
          rope_scaling: config.ropeScaling === null ? null : scalingKeys(config.ropeScaling),
        }),
    ...(config.architecture === "llama"
      ? { attention_bias: false, mlp_bias: false }
      : { sliding_window: null }),
    ...(config.architecture === "qwen2" ? { use_sliding_window: false } : {}),
  };
}
