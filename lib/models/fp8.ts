/**
 * Checkpoints in FP8 as transformers' fine-grained FP8 writes them (Devstral Small 2 is one): what `quantization_config`
 * says, and the scales that lie beside the weights. Scales of activations are passed over: activations are never narrowed
 * here.
 */
import { isDeepStrictEqual } from "node:util";

import { dequantize } from "../formats/dequantize.js";
import { formatShape, type DType } from "../formats/dtypes.js";
import { readRangeSync } from "../formats/file.js";
import { e8m0ToFloat, LARGEST_FP8_SCALE, type Fp8Scales } from "../formats/fp8.js";
import { isObject, unsupported, type Keys, type Value } from "./config-keys.js";
import { bothNames, invalidWeights, type StoredTensor } from "./stored-tensor.js";
import { textPart } from "./text-part.js";

/** Rows and columns that share a scale; null where a tensor has one. */
export type Fp8Block = readonly [rows: number, columns: number] | null;

/** What transformers takes where the key is left out; null is a value of its own. */
const DEFAULT_BLOCK = [128, 128];
/** Smaller blocks, which no model has, would make the scales as large as the weights. */
const SMALLEST_BLOCK = 16;

const isBlock = (value: Value): value is Fp8Block =>
  value === null ||
  (Array.isArray(value) &&
    value.length === 2 &&
    value.every((size) => Number.isSafeInteger(size) && size >= SMALLEST_BLOCK));

const KEYS: Readonly<Record<string, (value: Value) => boolean>> = {
  quant_method: (value) => value === "fp8",
  fmt: (value) => value === "e4m3",
  activation_scheme: (value) => value === "static" || value === "dynamic",
  weight_block_size: isBlock,
  // Which tensors are FP8 is seen from their types.
  modules_to_not_convert: (value) => value === null || Array.isArray(value),
  // More than the linears: embeddings.
  modules_to_convert: (value) => value === null || isDeepStrictEqual(value, []),
  // float32, or powers of two; which of them, the scales' own type says.
  scale_fmt: (value) => value === "float" || value === "ue8m0",
  expert_dtype: (value) => value === "fp8",
  dequantize: (value) => typeof value === "boolean",
};

const HINT =
  "Of quantised safetensors those in FP8 (quant_method fp8, E4M3) are read: name the original model's folder, or a .gguf file.";

const isNone = (value: Value): boolean =>
  value === undefined || value === null || value === false || isDeepStrictEqual(value, {});

/**
 * The blocks of a model in FP8; undefined where its `config.json` names no quantisation.
 * @throws IBertError `model-config-invalid` naming the key of another quantisation
 */
export function fp8Block(config: Value, path: string): Fp8Block | undefined {
  const [whole, within] = [
    (config as Keys).quantization_config,
    textPart(config, path)?.text.quantization_config,
  ];
  const value = isNone(whole) ? within : whole;
  if (isNone(value)) return undefined;
  if (!isNone(within) && !isDeepStrictEqual(within, value))
    throw unsupported(path, "text_config.quantization_config", within, HINT);
  if (!isObject(value) || value.quant_method === undefined)
    throw unsupported(path, "quantization_config", value, HINT);
  const entries = Object.entries(value);
  // The method explains the other keys.
  const method = entries.filter(([key]) => key === "quant_method");
  for (const [key, setting] of [...method, ...entries]) {
    if (KEYS[key]?.(setting) !== true) throw unsupported(path, `quantization_config.${key}`, setting, HINT);
  }
  const { weight_block_size: block = DEFAULT_BLOCK } = value;
  return block as Fp8Block;
}

const SCALE = /^(.+\.weight)_scale_inv$/;
const PASSED_OVER = /^(.+)\.activation_scale$/;
const SCALE_DTYPES: ReadonlySet<DType> = new Set<DType>(["F32", "F16", "BF16", "F8_E8M0"]);

/** The matrix that a scale belongs to, by Hugging Face's name; undefined of another tensor. */
function scaledWeight(name: string): string | undefined {
  const module = PASSED_OVER.exec(name)?.[1];
  return module === undefined ? SCALE.exec(name)?.[1] : `${module}.weight`;
}

/** A folder's tensors without the scales, and those of each FP8 matrix. */
export interface Fp8Tensors {
  weights: Map<string, StoredTensor>;
  scales: Map<string, Fp8Scales>;
}

/**
 * Takes the scales out of a folder's tensors.
 * @param path of the folder
 * @param stored by Hugging Face's names
 * @throws IBertError `weights-invalid` naming the tensor that lacks a scale, the scale that is wrong or that scales nothing
 */
export function takeScales(
  path: string,
  stored: ReadonlyMap<string, StoredTensor>,
  block: Fp8Block | undefined,
): Fp8Tensors {
  const weights = new Map<string, StoredTensor>();
  const scales = new Map<string, Fp8Scales>();
  for (const [name, tensor] of stored) {
    const weight = scaledWeight(name);
    if (weight === undefined) weights.set(name, tensor);
    else if (stored.get(weight)?.dtype !== "F8_E4M3")
      throw invalidWeights(path, `tensor ${bothNames(name, tensor)} is unexpected: no ${weight} is F8_E4M3`);
  }
  for (const [name, tensor] of weights) {
    // The embedding and vectors are none of what transformers narrows.
    if (tensor.dtype !== "F8_E4M3" || tensor.shape.length !== 2 || name === "model.embed_tokens.weight")
      continue;
    const as = bothNames(name, tensor);
    if (block === undefined)
      throw invalidWeights(
        path,
        `tensor ${as} is F8_E4M3, but config.json has no quantization_config of quant_method fp8`,
      );
    const scale = stored.get(`${name}_scale_inv`);
    if (scale === undefined)
      throw invalidWeights(path, `tensor ${as} is F8_E4M3, but its scale ${name}_scale_inv is missing`);
    scales.set(name, readScales(`${name}_scale_inv`, scale, tensor.shape as [number, number], block));
  }
  return { weights, scales };
}

function readScales(
  name: string,
  scale: StoredTensor,
  [rows, columns]: readonly [number, number],
  block: Fp8Block,
): Fp8Scales {
  const as = bothNames(name, scale);
  const shapes = block === null ? [[], [1]] : [[Math.ceil(rows / block[0]), Math.ceil(columns / block[1])]];
  if (!shapes.some((shape) => isDeepStrictEqual(shape, scale.shape))) {
    const wanted = block === null ? "one for the tensor" : formatShape(shapes[0] as number[]);
    throw invalidWeights(
      scale.path,
      `tensor ${as} has the shape ${formatShape(scale.shape)}; weight_block_size ${JSON.stringify(block)} needs ${wanted}`,
    );
  }
  if (!SCALE_DTYPES.has(scale.dtype))
    throw invalidWeights(scale.path, `tensor ${as} is ${scale.dtype}, which is no type for scales`);
  const bytes = readRangeSync(scale);
  const values =
    scale.dtype === "F8_E8M0" ? Float32Array.from(bytes, e8m0ToFloat) : dequantize(scale.dtype, bytes);
  const at = values.findIndex((value) => !(value > 0 && value <= LARGEST_FP8_SCALE));
  if (at >= 0)
    throw invalidWeights(scale.path, `tensor ${as} holds ${values[at]} at ${at}, which is no scale`);
  return { block: block ?? [rows, columns], values };
}
