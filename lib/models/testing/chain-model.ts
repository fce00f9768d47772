/** A model whose every token determines the next: `x` is answered with a, b, an end, c, d, another end. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { writeSafetensors, type TensorToWrite } from "../../formats/safetensors-writer.js";
import { byteTokenizer } from "./small-model.js";

export const CHAIN_SIZE = 320;
/** The tokenizer's two special tokens. */
export const [FIRST_END, LAST_END] = [257, 256];

export const CHAIN_CONFIG: Record<string, unknown> = {
  architectures: ["LlamaForCausalLM"],
  bos_token_id: null,
  eos_token_id: [LAST_END, FIRST_END],
  head_dim: 64,
  hidden_act: "silu",
  hidden_size: CHAIN_SIZE,
  intermediate_size: 64,
  max_position_embeddings: 512,
  model_type: "llama",
  num_attention_heads: 5,
  num_hidden_layers: 1,
  num_key_value_heads: 5,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: false,
  vocab_size: CHAIN_SIZE,
};

export interface ChainModel {
  /** Beside the usual keys; undefined takes one out. */
  config?: Record<string, unknown>;
  /** Changes the tensors. */
  tensors?: (tensors: Map<string, TensorToWrite>) => void;
  tokenizer?: (json: Record<string, unknown>) => void;
  tokenizerConfig?: Record<string, unknown>;
  /** More files by name. */
  files?: Record<string, string>;
}

/** Row `next` of the head is the embedding of the token before it. */
export function chainHead(text: readonly (number | string)[]): Float32Array {
  const ids = text.map((token) => (typeof token === "string" ? token.charCodeAt(0) : token));
  const head = new Float32Array(CHAIN_SIZE * CHAIN_SIZE);
  ids.slice(1).forEach((id, i) => (head[id * CHAIN_SIZE + (ids[i] as number)] = 1));
  return head;
}

export function chainTensors(): Map<string, TensorToWrite> {
  const size = CHAIN_SIZE;
  const filled = (shape: number[], value = 0): TensorToWrite => ({
    dtype: "F32",
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
  });
  const embedding = filled([size, size]);
  for (let i = 0; i < size; i++) (embedding.data as Float32Array)[i * size + i] = 1;
  const layer = "model.layers.0";
  const attention = ["q_proj", "k_proj", "v_proj", "o_proj"].map(
    (name) => [`${layer}.self_attn.${name}.weight`, filled([size, size])] as const,
  );
  return new Map<string, TensorToWrite>([
    ["model.embed_tokens.weight", embedding],
    [`${layer}.input_layernorm.weight`, filled([size], 1)],
    ...attention,
    [`${layer}.post_attention_layernorm.weight`, filled([size], 1)],
    [`${layer}.mlp.gate_proj.weight`, filled([64, size])],
    [`${layer}.mlp.up_proj.weight`, filled([64, size])],
    [`${layer}.mlp.down_proj.weight`, filled([size, 64])],
    ["model.norm.weight", filled([size], 1)],
    [
      "lm_head.weight",
      { ...embedding, data: chainHead(["x", "a", "b", FIRST_END, "c", "d", LAST_END, "e"]) },
    ],
  ]);
}

/** Writes the model's folder. */
export async function writeChainModel(folder: string, model: ChainModel = {}): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, value: unknown): void =>
    writeFileSync(join(folder, name), typeof value === "string" ? value : JSON.stringify(value));
  const tokenizer = byteTokenizer();
  model.tokenizer?.(tokenizer);
  write("config.json", { ...CHAIN_CONFIG, ...model.config });
  write("tokenizer.json", tokenizer);
  write("tokenizer_config.json", { eos_token: "<s>", ...model.tokenizerConfig });
  const tensors = chainTensors();
  model.tensors?.(tensors);
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  for (const [name, content] of Object.entries(model.files ?? {})) write(name, content);
}
