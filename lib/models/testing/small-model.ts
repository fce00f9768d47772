/** A whole model of a few MiB, with random weights and a tokenizer of bytes: for what is not about its answers. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Random } from "../../data/random.js";
import { dslByName } from "../../dsl/registry.js";
import { writeSafetensors, type TensorToWrite } from "../../formats/safetensors-writer.js";
import { saveAdapter } from "../adapter-file.js";
import { configFromHuggingFace, type ModelConfig } from "../config.js";
import { LoraLayout } from "../lora.js";
import { expectedTensors } from "../weights.js";

const CONFIG = {
  architectures: ["LlamaForCausalLM"],
  bos_token_id: 256,
  eos_token_id: 257,
  head_dim: 32,
  hidden_act: "silu",
  hidden_size: 256,
  intermediate_size: 512,
  max_position_embeddings: 512,
  model_type: "llama",
  num_attention_heads: 8,
  num_hidden_layers: 2,
  num_key_value_heads: 4,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: false,
  vocab_size: 4096,
};

/** GPT-2's printable stand-ins for the 256 bytes. */
function byteCharacters(): string[] {
  let next = 256;
  const printable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

export function byteTokenizer(): Record<string, unknown> {
  const special = (id: number, content: string) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [special(256, "<s>"), special(257, "</s>")],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(byteCharacters().map((character, id) => [character, id])),
      merges: [],
    },
  };
}

/** Writes the model's folder. `change` may spoil its tensors, `config` its configuration. */
export async function writeSmallModel(
  folder: string,
  change: (tensors: Map<string, TensorToWrite>) => void = () => undefined,
  config: Record<string, unknown> = {},
): Promise<ModelConfig> {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "config.json");
  writeFileSync(path, JSON.stringify({ ...CONFIG, ...config }));
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(byteTokenizer()));
  writeFileSync(
    join(folder, "tokenizer_config.json"),
    JSON.stringify({ bos_token: "<s>", eos_token: "</s>", add_bos_token: true }),
  );
  const parsed = configFromHuggingFace(path);
  const random = Random.of(1, "small model");
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, shape] of expectedTensors(parsed)) {
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    const data = Float32Array.from(
      { length: size },
      () => (shape.length === 1 ? 1 : random.float() - 0.5) / 8,
    );
    tensors.set(name, { dtype: "F32", shape, data });
  }
  change(tensors);
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  return parsed;
}

/** What an adapter for it says of itself. */
export const smallAdapterFacts = (): Parameters<typeof saveAdapter>[3] => ({
  baseModel: "small",
  sidecar: {
    format: 1,
    base: "small",
    dsl: { name: "ibis-framework", version: "12.0.0" },
    prompts: dslByName("ibis").defaultPrompts,
  },
});

/** Writes an adapter for it. */
export async function writeSmallAdapter(folder: string, model: ModelConfig, rank = 4): Promise<void> {
  const layout = new LoraLayout(model, { rank, alpha: rank, targets: ["q_proj", "v_proj"] });
  await saveAdapter(folder, layout, layout.initialValues(Random.of(2, "small adapter")), smallAdapterFacts());
}
