/** Model folders: tokenizers, adapters, configurations. Of each input one file or more are changed. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Random } from "../../data/random.js";
import { readAdapter } from "../../models/adapter-file.js";
import { decoderConfig, type ModelConfig } from "../../models/config.js";
import { loadTokenizer } from "../../models/load-tokenizer.js";
import { LoraLayout } from "../../models/lora.js";
import { expectedTensors, openWeights } from "../../models/weights.js";
import { damageText, mutatedJson, treeOf, write, type Tree } from "./json.js";
import { safetensorsBytes, soundSafetensors } from "./safetensors.js";
import type { Target } from "./target.js";

/** A folder of JSON files, of which at least one is changed each time. */
function jsonFolder(files: Readonly<Record<string, unknown>>, read: Target["read"]): Target {
  const names = Object.keys(files);
  const trees = Object.values(files).map(treeOf);
  const sound = trees.map(write);
  return {
    sound: (folder) => names.forEach((name, i) => writeFileSync(join(folder, name), sound[i] as string)),
    write(folder, random) {
      const broken = random.below(names.length);
      let bytes = 0;
      names.forEach((name, i) => {
        const isBroken = i === broken || random.below(8) === 0;
        const content = isBroken
          ? damageText(write(mutatedJson(trees[i] as Tree, random)), random)
          : (sound[i] as string);
        writeFileSync(join(folder, name), content);
        bytes += content.length;
      });
      return bytes;
    },
    read,
  };
}

const base64 = (bytes: readonly number[]): string => Buffer.from(bytes).toString("base64");
const PATTERN =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{M}]*[\\p{Ll}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const TEXT = "Hello, <s>world</s>! 12\n\t héé 🙂";

export const tekken: Target = jsonFolder(
  {
    "tekken.json": {
      config: {
        pattern: PATTERN,
        num_vocab_tokens: 260,
        default_vocab_size: 264,
        default_num_special_tokens: 4,
        version: "v7",
      },
      special_tokens: ["<unk>", "<s>", "</s>", "[INST]"].map((token_str, rank) => ({ rank, token_str })),
      vocab: [
        ...Array.from({ length: 256 }, (_, byte) => [byte]),
        ...[[104, 101], [104, 101, 108], [108, 111], [32, 119]],
      ].map((bytes, rank) => ({ rank, token_bytes: base64(bytes), token_str: null })),
    },
  },
  (folder) => {
    const tokenizer = loadTokenizer({ format: "mistral", path: folder });
    tokenizer.decode(tokenizer.encode(TEXT));
    tokenizer.decode([0, 1, 2 ** 31, 263, 9]);
  },
); // prettier-ignore

const ALPHABET = [..."abcdefghijklmnopqrstuvwxyz!,Ġ", "Ċ"];
const TOKENS = [...ALPHABET, "he", "hel", "lo", "Ġw"];
const added = (id: number, content: string) => ({
  id,
  content,
  special: true,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
});

export const tokenizer: Target = jsonFolder(
  {
    "tokenizer.json": {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: [added(0, "<s>"), added(1, "</s>")],
      normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }] },
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { Regex: "\\p{N}" }, behavior: "Isolated", invert: false },
          { type: "Digits", individual_digits: true },
          { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
        ],
      },
      post_processor: {
        type: "TemplateProcessing",
        single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
        pair: [],
        special_tokens: { "<s>": { id: "<s>", ids: [0], tokens: ["<s>"] } },
      },
      decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(TOKENS.map((token, id) => [token, id + 2])),
        merges: ["h e", "he l", "l o", "Ġ w"],
      },
    },
    "tokenizer_config.json": {
      bos_token: "<s>",
      eos_token: { content: "</s>" },
      add_bos_token: true,
      add_prefix_space: false,
      added_tokens_decoder: { 0: { content: "<s>", special: true } },
      chat_template: "{{ bos_token }}{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}{% endfor %}",
    },
    "added_tokens.json": { "<new>": 40 },
    "special_tokens_map.json": { eos_token: { content: "</s>" } },
  },
  (folder) => {
    const made = loadTokenizer({ format: "huggingface", path: folder });
    made.decode(made.encode(TEXT));
    made.encode(TEXT, { allowSpecial: false });
    made.decode([0, 5, 2 ** 31, 40], { skipSpecial: true });
    made.applyChatTemplate([{ role: "user", content: "hello" }]);
  },
);

const CONFIG_FILE = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: 32,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 8,
  hidden_act: "silu",
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  rope_scaling: { rope_type: "yarn", factor: 4, original_max_position_embeddings: 64 },
  max_position_embeddings: 256,
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: [2],
};
const MODEL: ModelConfig = decoderConfig(CONFIG_FILE, "config.json");

/** The tensors of some shapes, one behind the other. */
function headerOf(shapes: Iterable<readonly [string, readonly number[]]>): { header: Tree; bytes: number } {
  let bytes = 0;
  const pairs = [...shapes].map(([name, shape]): [string, Tree] => {
    const from = bytes;
    bytes += 4 * shape.reduce((a, b) => a * b, 1);
    return [name, treeOf({ dtype: "F32", shape, data_offsets: [from, bytes] })];
  });
  return { header: { pairs }, bytes };
}

/** A folder of JSON files beside a file of weights; one of them is changed. */
function withWeights(
  json: Target,
  file: string,
  weights: { header: Tree; bytes: number },
  shareOfWeights: number,
): Pick<Target, "write" | "sound"> {
  const sound = soundSafetensors(weights.header, weights.bytes);
  return {
    sound(folder) {
      writeFileSync(join(folder, file), sound);
      json.sound(folder);
    },
    write(folder: string, random: Random) {
      const broken = random.chance(shareOfWeights);
      const content = broken ? safetensorsBytes(weights.header, weights.bytes, random) : sound;
      writeFileSync(join(folder, file), content);
      return content.length + json.write(folder, random);
    },
  };
}

const LORA = { rank: 2, alpha: 4, targets: ["q_proj", "down_proj"] };
const ADAPTER_SHAPES = new LoraLayout(MODEL, LORA).matrices.map(({ name, shape }) => [name, shape] as const);
const adapterJson = jsonFolder(
  {
    "adapter_config.json": {
      peft_type: "LORA",
      task_type: "CAUSAL_LM",
      r: 2,
      lora_alpha: 4,
      lora_dropout: 0,
      bias: "none",
      target_modules: ["q_proj", "down_proj"],
      rank_pattern: {},
      alpha_pattern: { "layers.0.q_proj": 4 },
      layers_to_transform: [0],
      layers_pattern: "layers",
      exclude_modules: null,
      modules_to_save: null,
      use_rslora: false,
      use_dora: false,
      init_lora_weights: true,
      base_model_name_or_path: "x",
    },
    "ibert.json": { format: 1, base: "x", dsl: { name: "ibis", version: "1" }, prompts: {}, training: {} },
  },
  () => undefined,
);

export const adapter: Target = {
  ...withWeights(adapterJson, "adapter_model.safetensors", headerOf(ADAPTER_SHAPES), 0.4),
  read: async (folder) => void (await readAdapter(MODEL, folder)),
};

const configJson = jsonFolder(
  { "config.json": CONFIG_FILE, "generation_config.json": { eos_token_id: [2, 3] } },
  () => undefined,
);
const SHAPES = headerOf(expectedTensors(MODEL));

/** `config.json` with what stands beside it, held against weights. */
export const config: Target = {
  ...withWeights(configJson, "model.safetensors", SHAPES, 0.05),
  read: (folder) =>
    void openWeights({ base: folder, baseModel: folder, format: "huggingface", path: folder }),
};

const paramsJson = jsonFolder(
  {
    "params.json": {
      dim: 16,
      n_layers: 1,
      head_dim: 8,
      hidden_dim: 24,
      n_heads: 2,
      n_kv_heads: 1,
      norm_eps: 1e-5,
      vocab_size: 32,
      rope_theta: 10_000,
      max_position_embeddings: 256,
      yarn: { factor: 4, original_max_position_embeddings: 64, alpha: 1, beta: 32, apply_scale: true },
      vision_encoder: { image_token_id: 10 },
    },
  },
  () => undefined,
);

/** Mistral's `params.json`, likewise. */
export const params: Target = {
  ...withWeights(paramsJson, "consolidated.safetensors", SHAPES, 0.05),
  read: (folder) => void openWeights({ base: folder, baseModel: folder, format: "mistral", path: folder }),
};
