import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";

import { IBertError } from "../errors.js";
import { BLOCK_DTYPES, formatShape, type DType } from "../formats/dtypes.js";
import { readRange, readRangeSync, type ByteRange } from "../formats/file.js";
import type { Fp8Scales } from "../formats/fp8.js";
import { openGguf } from "../formats/gguf.js";
import { asPart } from "../formats/gguf-split.js";
import { llamaRowPermutation } from "../formats/llama-permutation.js";
import { readJson } from "../formats/json.js";
import { openSafetensorsFolder } from "../formats/safetensors.js";
import { withSmallYoungGeneration } from "../runtime/memory.js";
import { configFromGguf, decoderConfig, type ModelConfig } from "./config.js";
import { fp8Block, takeScales } from "./fp8.js";
import { frequencyFault } from "./rotary-frequencies.js";
import { configKeysOf, isMistralVision, nameOfMistral } from "./mistral-layout.js";
import type { ModelSource } from "./sources.js";
import { bothNames, invalidWeights, type StoredTensor } from "./stored-tensor.js";
import { isVisionTensor, textPart, textTensorName } from "./text-part.js";

/** One weight of a model, wherever it lies. */
export interface WeightTensor extends ByteRange {
  /** Hugging Face's name, e.g. `model.layers.0.self_attn.q_proj.weight`. */
  readonly name: string;
  readonly dtype: DType;
  /** (out features, in features) of a matrix, (features) of a norm. */
  readonly shape: readonly number[];
  /** Where present, row r of the weight is row `rowPermutation[r]` of the stored tensor. */
  readonly rowPermutation?: Int32Array;
  /** Where present, the stored values are FP8 codes, and the weight is those times their scales. */
  readonly scales?: Fp8Scales;
}

/** The weights of a model, all present and of the right shapes. Holds no open descriptor. */
export interface ModelWeights {
  readonly config: ModelConfig;
  readonly names: readonly string[];
  /** What a user should know of the files, a line each. */
  readonly remarks: readonly string[];
  /** With a tied head, `lm_head.weight` is the embedding. */
  tensor(name: string): WeightTensor;
}

const WEIGHT_DTYPES: ReadonlySet<DType> = new Set<DType>(["F32", "F16", "BF16", ...BLOCK_DTYPES]);

/** Name and shape of every weight that a model of this configuration has; a tied head has no tensor of its own. */
export function expectedTensors(config: ModelConfig): Map<string, readonly number[]> {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize } = config;
  const shapes = new Map<string, readonly number[]>([["model.embed_tokens.weight", [vocabSize, hiddenSize]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    shapes.set(`${prefix}.input_layernorm.weight`, [hiddenSize]);
    shapes.set(`${prefix}.self_attn.q_proj.weight`, [heads * headDim, hiddenSize]);
    shapes.set(`${prefix}.self_attn.k_proj.weight`, [kvHeads * headDim, hiddenSize]);
    shapes.set(`${prefix}.self_attn.v_proj.weight`, [kvHeads * headDim, hiddenSize]);
    if (config.architecture === "qwen2") {
      shapes.set(`${prefix}.self_attn.q_proj.bias`, [heads * headDim]);
      shapes.set(`${prefix}.self_attn.k_proj.bias`, [kvHeads * headDim]);
      shapes.set(`${prefix}.self_attn.v_proj.bias`, [kvHeads * headDim]);
    }
    shapes.set(`${prefix}.self_attn.o_proj.weight`, [hiddenSize, heads * headDim]);
    shapes.set(`${prefix}.post_attention_layernorm.weight`, [hiddenSize]);
    shapes.set(`${prefix}.mlp.gate_proj.weight`, [intermediateSize, hiddenSize]);
    shapes.set(`${prefix}.mlp.up_proj.weight`, [intermediateSize, hiddenSize]);
    shapes.set(`${prefix}.mlp.down_proj.weight`, [hiddenSize, intermediateSize]);
  }
  shapes.set("model.norm.weight", [hiddenSize]);
  if (!config.tieWordEmbeddings) shapes.set("lm_head.weight", [vocabSize, hiddenSize]);
  return shapes;
}

const GGUF_TOP: Record<string, string> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
};

const GGUF_LAYER: Record<string, string> = {
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};

/** `model.layers.0.self_attn.q_proj.weight` for `blk.0.attn_q.weight`; undefined where no decoder has such a tensor. */
function huggingFaceName(ggufName: string): string | undefined {
  const match = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(ggufName);
  if (match?.[2] === undefined) return undefined;
  const module = match[1] === undefined ? GGUF_TOP[match[2]] : GGUF_LAYER[match[2]];
  if (module === undefined) return undefined;
  return match[1] === undefined ? `${module}.${match[3]}` : `model.layers.${match[1]}.${module}.${match[3]}`;
}

/** `blk.0.attn_q` for the module `model.layers.0.self_attn.q_proj`. */
export function ggufModule(module: string): string | undefined {
  const [, layer, name] = /^model\.layers\.(\d+)\.(.+)$/.exec(module) ?? [];
  const [stored] = Object.entries(GGUF_LAYER).find(([, own]) => own === name) ?? [];
  return stored === undefined ? undefined : `blk.${layer}.${stored}`;
}

/** RoPE's frequencies, which old exports carry. */
const FREQUENCIES = /(^|\.)rotary_emb\.inv_freq$/;

/** Every expected tensor once, of its shape and of a type that holds weights; nothing else beside them. */
function checkWeights(
  path: string,
  config: ModelConfig,
  { stored, scales }: Pick<ReadModel, "stored" | "scales">,
): Map<string, StoredTensor> {
  const checked = new Map<string, StoredTensor>();
  // Before a name is made for each: a damaged configuration may claim any number.
  if (config.layers > stored.size) {
    throw invalidWeights(
      path,
      `the configuration has ${config.layers} layers, the files ${stored.size} tensors`,
    );
  }
  for (const [name, shape] of expectedTensors(config)) {
    const tensor = stored.get(name);
    if (tensor === undefined) throw invalidWeights(path, `tensor ${name} ${formatShape(shape)} is missing`);
    const as = bothNames(name, tensor);
    if (!isDeepStrictEqual(tensor.shape, shape)) {
      throw invalidWeights(
        tensor.path,
        `tensor ${as} has the shape ${formatShape(tensor.shape)}; the configuration needs ${formatShape(shape)}`,
      );
    }
    if (!WEIGHT_DTYPES.has(tensor.dtype) && !scales.has(name)) {
      throw invalidWeights(tensor.path, `tensor ${as} is ${tensor.dtype}, which is no type for weights`);
    }
    checked.set(name, tensor);
  }
  for (const [name, tensor] of stored) {
    // A head that is not needed here repeats the embedding (`hasOwnHead`).
    if (checked.has(name) || name === "lm_head.weight") continue;
    if (!FREQUENCIES.test(name)) {
      throw invalidWeights(
        path,
        `tensor ${bothNames(name, tensor)} is unexpected: no model of this configuration has it`,
      );
    }
    const fault = frequencyFault(tensor, config);
    if (fault !== undefined) throw invalidWeights(tensor.path, `tensor ${name} ${fault}`);
  }
  return checked;
}

/** What the files hold, before it is checked: each tensor by Hugging Face's name. */
interface ReadModel {
  config: ModelConfig;
  stored: ReadonlyMap<string, StoredTensor>;
  /** Those of matrices in FP8. */
  scales: ReadonlyMap<string, Fp8Scales>;
  /** Whether the rows of q and k stand for interleaved RoPE. */
  interleaved: boolean;
  remarks: readonly string[];
}

function byName(
  path: string,
  tensors: Iterable<StoredTensor>,
  nameOf: (stored: string) => string,
): Map<string, StoredTensor> {
  const named = new Map<string, StoredTensor>();
  for (const tensor of tensors) {
    const name = nameOf(tensor.name);
    const other = named.get(name);
    if (other !== undefined)
      throw invalidWeights(path, `tensors ${other.name} and ${tensor.name} are both ${name}`);
    named.set(name, tensor);
  }
  return named;
}

function readGguf(path: string): ReadModel {
  const gguf = withSmallYoungGeneration(() => openGguf(path));
  const config = configFromGguf(gguf);
  // Read with the configuration.
  const tensors = [...gguf.tensors.values()].filter(({ name }) => name !== "rope_freqs.weight");
  const stored = byName(path, tensors, (name) => huggingFaceName(name) ?? name);
  // llama.cpp's converter interleaves the rows of Llamas alone.
  const interleaved = config.architecture === "llama";
  return { config, stored, scales: new Map(), interleaved, remarks: [] };
}

/** A folder of safetensors, in Hugging Face's layout or in Mistral's. */
function readFolder(folder: string, format: "huggingface" | "mistral"): ReadModel {
  const isMistral = format === "mistral";
  const path = join(folder, isMistral ? "params.json" : "config.json");
  const file = isMistral ? configKeysOf(readJson(path), path) : readJson(path);
  const config = decoderConfig(file, path);
  const block = fp8Block(file, path);
  const { tensors } = openSafetensorsFolder(folder, isMistral ? "consolidated" : "model");
  const isWhole = isMistral || textPart(file, path) !== undefined;
  const isVision = isMistral ? isMistralVision : isVisionTensor;
  const text = [...tensors.values()].filter(({ name }) => !isWhole || !isVision(name));
  const named = isWhole ? byName(folder, text, isMistral ? nameOfMistral : textTensorName) : tensors;
  const { weights: stored, scales } = takeScales(folder, named, block);
  const left = tensors.size - text.length;
  const parts = isMistral ? "vision_encoder and what follows it" : "vision_tower and multi_modal_projector";
  const remark = `${folder}: of a model of text and images the text part is used; its vision part (tensors of ${parts}: ${left}) is left aside`;
  return { config, stored, scales, interleaved: isMistral, remarks: left > 0 ? [remark] : [] };
}

/** Whether two scalings are one, with YaRN's defaults said or left out. */
function isSameScaling(one: ModelConfig["ropeScaling"], other: ModelConfig["ropeScaling"]): boolean {
  const whole = (scaling: ModelConfig["ropeScaling"]) =>
    scaling?.type === "yarn" ? { betaFast: 32, betaSlow: 1, truncate: true, ...scaling } : scaling;
  return isDeepStrictEqual(whole(one), whole(other));
}

/** What a model's tensors are made by. In all else its own files are the authority. */
const SIZES: ReadonlySet<keyof ModelConfig> = new Set<keyof ModelConfig>([
  "vocabSize",
  "hiddenSize",
  "intermediateSize",
  "layers",
  "heads",
  "kvHeads",
  "headDim",
]);

/**
 * Holds a preset's files against it, and tells where theirs, which is used, is another value.
 * @throws IBertError `weights-invalid` where the files are those of another model.
 */
export function comparePreset({ path, base, expectedConfig }: ModelSource, config: ModelConfig): string[] {
  const remarks: string[] = [];
  if (expectedConfig === undefined) return remarks;
  for (const key of Object.keys(expectedConfig) as (keyof ModelConfig)[]) {
    // A GGUF says `llama` for both architectures, which differ in name only.
    if (key === "architecture" || isDeepStrictEqual(config[key], expectedConfig[key])) continue;
    // Files may declare more ends of text than a preset names.
    if (key === "eosIds" && expectedConfig.eosIds.every((id) => config.eosIds.includes(id))) continue;
    if (key === "ropeScaling" && isSameScaling(config.ropeScaling, expectedConfig.ropeScaling)) continue;
    const said = JSON.stringify(config[key]) ?? "absent";
    const difference = `${key} is ${said}, but preset ${base} says ${JSON.stringify(expectedConfig[key])}`;
    if (SIZES.has(key)) throw invalidWeights(path, difference);
    remarks.push(`${path}: ${difference}; the file's is used`);
  }
  return remarks;
}

/** Bytes of two tensors that are compared at a time. */
const COMPARED_BYTES = 1 << 22;

/** Whether a head that the configuration calls tied is stored with values of its own. */
function hasOwnHead(config: ModelConfig, stored: ReadonlyMap<string, StoredTensor>): boolean {
  const head = stored.get("lm_head.weight");
  const embedding = stored.get("model.embed_tokens.weight");
  if (!config.tieWordEmbeddings || head === undefined || embedding === undefined) return false;
  if (head.dtype !== embedding.dtype || head.byteLength !== embedding.byteLength) return true;
  for (let at = 0; at < head.byteLength; at += COMPARED_BYTES) {
    const byteLength = Math.min(COMPARED_BYTES, head.byteLength - at);
    const part = ({ path, byteOffset }: ByteRange): Buffer =>
      readRangeSync({ path, byteOffset: byteOffset + at, byteLength });
    if (!part(head).equals(part(embedding))) return true;
  }
  return false;
}

/**
 * Opens a model's weights and checks them against its configuration, tensor by tensor.
 * @throws IBertError naming the file, the tensor and, for a wrong shape, both shapes.
 */
export function openWeights(source: ModelSource): ModelWeights {
  try {
    return checkedWeights(source);
  } catch (error) {
    throw source.format === "gguf" ? asPart(source.path, error) : error;
  }
}

function checkedWeights(source: ModelSource): ModelWeights {
  const read = source.format === "gguf" ? readGguf(source.path) : readFolder(source.path, source.format);
  const remarks = [...read.remarks, ...comparePreset(source, read.config)];
  const { stored } = read;
  const ownHead = hasOwnHead(read.config, stored);
  // A stored head is what was trained, whatever the configuration says of it.
  const config = ownHead ? { ...read.config, tieWordEmbeddings: false } : read.config;
  const checked = checkWeights(source.path, config, read);
  const queryRows = llamaRowPermutation(config.heads, config.headDim);
  const keyRows = llamaRowPermutation(config.kvHeads, config.headDim);
  const permutation = (name: string): Int32Array | undefined => {
    if (!read.interleaved) return undefined;
    return name.endsWith(".q_proj.weight")
      ? queryRows
      : name.endsWith(".k_proj.weight")
        ? keyRows
        : undefined;
  };
  const tensors = new Map<string, WeightTensor>();
  for (const [name, { path, byteOffset, byteLength, dtype, shape }] of checked) {
    const rowPermutation = permutation(name);
    const scales = read.scales.get(name);
    tensors.set(name, {
      ...{ name, path, byteOffset, byteLength, dtype, shape },
      ...(rowPermutation === undefined ? {} : { rowPermutation }),
      ...(scales === undefined ? {} : { scales }),
    });
  }
  return {
    config,
    names: [...tensors.keys()],
    remarks: ownHead
      ? [
          ...remarks,
          `${source.path}: the configuration ties the head to the embedding, but lm_head.weight is stored and differs; it is used`,
        ]
      : remarks,
    tensor(name) {
      const stored =
        config.tieWordEmbeddings && name === "lm_head.weight" ? "model.embed_tokens.weight" : name;
      const tensor = tensors.get(stored);
      if (tensor === undefined)
        throw new IBertError("tensor-missing", `${source.path}: there is no tensor ${name}`);
      return tensor;
    },
  };
}

/** The stored bytes of a weight with its rows in Hugging Face's order. */
export async function readWeight(tensor: WeightTensor, target?: Uint8Array): Promise<Uint8Array> {
  const { rowPermutation } = tensor;
  if (rowPermutation === undefined) return readRange(tensor, target);
  const stored = await readRange(tensor);
  const rows = target ?? new Uint8Array(tensor.byteLength);
  const rowBytes = tensor.byteLength / rowPermutation.length;
  rowPermutation.forEach((from, to) => {
    rows.set(stored.subarray(from * rowBytes, (from + 1) * rowBytes), to * rowBytes);
  });
  return rows;
}
