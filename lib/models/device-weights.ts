import { IBertError } from "../errors.js";
import { widenFp8, type Fp8Scales } from "../formats/fp8.js";
import type { Arena } from "../runtime/arena.js";
import type { Device } from "../runtime/device.js";
import { withSmallYoungGeneration } from "../runtime/memory.js";
import { addon } from "../runtime/native.js";
import { DTYPES, type DType, type Layout, type Tensor } from "../runtime/tensor.js";

import { queryScales, ropeOf, splitFrequencies } from "./rope.js";
import { groupShapes, moduleName, type GroupShape, type LinearGroup } from "./linears.js";
import type { ModelConfig } from "./config.js";
import type { ModelWeights, WeightTensor } from "./weights.js";

/** Frozen weights of one decoder layer on a device. */
export interface LayerWeights {
  /** (D) float32 */
  inputNorm: Tensor;
  postAttentionNorm: Tensor;
  /** The stacked linears, packed. */
  linears: Record<LinearGroup, Tensor>;
  /** (N) float32, of q, k and v, where the model has them */
  biases: Partial<Record<LinearGroup, Tensor>>;
}

/** Frozen weights of a decoder on a device. */
export interface DecoderWeights {
  /** (V, D), packed; the head too where it is tied. */
  embedding: Tensor;
  layers: readonly LayerWeights[];
  finalNorm: Tensor;
  head: Tensor;
  /**
   * What `ropeTable` makes its tables from, and (contextLength, 1) factors of each position's q where the model scales
   * it.
   */
  rope: { frequencies: Tensor; magnitude: number; queryScales: Tensor | undefined };
}

export interface LoadOptions {
  /**
   * `keep` holds the weights in the format of the file (the bits of a quantised base stay as they are, FP8 becomes bf16);
   * `bf16` and `f32` convert them.
   */
  weights?: "keep" | "bf16" | "f32" | undefined;
  onProgress?: ((loadedBytes: number, totalBytes: number) => void) | undefined;
}

/**
 * Brings the weights of an opened model onto a device, prepacked for its kernels. Files are mapped, and the copy on the
 * device replaces them. On a planned device only the memory is counted.
 */
export async function loadDecoderWeights(
  device: Device,
  model: ModelWeights,
  options: LoadOptions = {},
): Promise<DecoderWeights> {
  // One buffer for staging, as large as the hungriest layer: what comes and goes one by one stays with the allocator.
  const staging = device.arena("staging", await planStaging(device, model, options));
  const loader = new Loader(device, model, options, staging);
  try {
    return await withSmallYoungGeneration(() => load(loader, model));
  } catch (error) {
    await loader.abandon();
    throw error;
  } finally {
    staging.free();
  }
}

async function planStaging(device: Device, model: ModelWeights, options: LoadOptions): Promise<number> {
  const planned = device.plan();
  const staging = planned.arena("staging");
  await load(new Loader(planned, model, { weights: options.weights }, staging), model);
  return staging.peak;
}

async function load(loader: Loader, { config }: ModelWeights): Promise<DecoderWeights> {
  const embedding = await loader.matrix(["model.embed_tokens.weight"], config.vocabSize, config.hiddenSize);
  await loader.settle();
  const layers: LayerWeights[] = [];
  const shapes = groupShapes(config);
  for (let layer = 0; layer < config.layers; layer++) {
    layers.push(await loader.layer(layer, shapes, config));
    await loader.settle();
  }
  const finalNorm = loader.vector("model.norm.weight");
  const head = config.tieWordEmbeddings
    ? embedding
    : await loader.matrix(["lm_head.weight"], config.vocabSize, config.hiddenSize);
  const own = ropeOf(config);
  const frequencies = loader.constant(splitFrequencies(own), [2, config.headDim / 2]);
  const { queryScale, contextLength } = config;
  const scales =
    queryScale === null
      ? undefined
      : loader.constant(queryScales(queryScale, contextLength), [contextLength, 1]);
  await loader.settle();
  const rope = { frequencies, magnitude: own.magnitude, queryScales: scales };
  return { embedding, layers, finalNorm, head, rope };
}

/** Elements that are widened at a time. */
const WIDENED_ELEMENTS = 1 << 22;

/** The linears of Qwen2 that have a bias. */
const BIASED = ["q_proj", "k_proj", "v_proj"] as const;

class Loader {
  private mapped: Uint8Array[] = [];
  private readonly made: Tensor[] = [];
  private loaded = 0;
  private readonly total: number;

  constructor(
    private readonly device: Device,
    private readonly model: ModelWeights,
    private readonly options: LoadOptions,
    private readonly staging: Arena,
  ) {
    this.total = model.names.reduce((sum, name) => sum + model.tensor(name).byteLength, 0);
  }

  async layer(layer: number, shapes: readonly GroupShape[], config: ModelConfig): Promise<LayerWeights> {
    const linears: Partial<Record<LinearGroup, Tensor>> = {};
    for (const { group, modules, inputs, outputs } of shapes) {
      linears[group] = await this.matrix(
        modules.map((module) => `${moduleName(layer, module)}.weight`),
        outputs.reduce((sum, output) => sum + output, 0),
        inputs,
      );
    }
    return {
      inputNorm: this.vector(`model.layers.${layer}.input_layernorm.weight`),
      postAttentionNorm: this.vector(`model.layers.${layer}.post_attention_layernorm.weight`),
      linears: linears as Record<LinearGroup, Tensor>,
      biases:
        config.architecture === "qwen2"
          ? { qkv: this.vector(...BIASED.map((module) => `${moduleName(layer, module)}.bias`)) }
          : {},
    };
  }

  /** Stacks the rows of the named matrices and packs them. */
  async matrix(names: readonly string[], rows: number, columns: number): Promise<Tensor> {
    const { device } = this;
    const parts = names.map((name) => this.model.tensor(name));
    const [first = "bf16", ...others] = new Set(parts.map(runtimeDType));
    const wanted = this.options.weights ?? "keep";
    // Stacked parts of different formats (a common mix in K-quant files) meet in bf16.
    const common = others.length === 0 ? first : "bf16";
    const packed = this.make([rows, columns], wanted === "keep" ? common : wanted, "packed");
    if (others.length === 0) {
      const source = this.stage([rows, columns], common);
      let row = 0;
      for (const part of parts) {
        const partRows = part.shape[0] ?? 0;
        await this.writeMatrix(source.view([partRows, columns], row * columns), part);
        row += partRows;
      }
      device.ops.packWeight({ source, packed });
      return packed;
    }
    const source = this.stage([rows, columns], "bf16");
    let row = 0;
    for (const part of parts) {
      const partRows = part.shape[0] ?? 0;
      const own = this.stage([partRows, columns], runtimeDType(part));
      await this.writeMatrix(own, part);
      device.ops.cast({ source: own, target: source.view([partRows, columns], row * columns) });
      row += partRows;
    }
    device.ops.packWeight({ source, packed });
    return packed;
  }

  /** The named vectors one behind the other in float32: a norm's weight, biases. */
  vector(...names: readonly string[]): Tensor {
    const parts = names.map((name) => this.model.tensor(name));
    const size = ({ shape }: WeightTensor): number => shape[0] ?? 0;
    const target = this.make([parts.reduce((sum, part) => sum + size(part), 0)], "f32");
    let place = 0;
    for (const part of parts) {
      const own = target.view(part.shape, place);
      place += size(part);
      const dtype = runtimeDType(part);
      if (dtype === "f32") {
        this.write(own, part);
        continue;
      }
      const source = this.stage(part.shape, dtype);
      this.write(source, part);
      this.device.ops.cast({ source, target: own });
    }
    return target;
  }

  /** Values that no file holds, in float32. */
  constant(values: Float32Array, shape: readonly number[]): Tensor {
    const target = this.make(shape, "f32");
    this.device.write(target, values);
    return target;
  }

  /** Waits, and gives back staging memory and the files. */
  async settle(): Promise<void> {
    await this.device.synchronize();
    this.staging.release(0);
    this.unmap();
    this.options.onProgress?.(this.loaded, this.total);
  }

  /** Gives back what a load that failed has made so far. */
  async abandon(): Promise<void> {
    // The load's own error is the one to tell.
    await this.device.synchronize().catch(() => undefined);
    this.unmap();
    for (const tensor of this.made) this.device.free(tensor);
  }

  private unmap(): void {
    for (const array of this.mapped) addon().unmapFile(array);
    this.mapped = [];
  }

  private make(shape: readonly number[], dtype: DType, layout?: Layout): Tensor {
    const tensor = this.device.empty(shape, dtype, layout);
    this.made.push(tensor);
    return tensor;
  }

  private stage(shape: readonly number[], dtype: DType): Tensor {
    return this.staging.tensor(shape, dtype);
  }

  private async writeMatrix(target: Tensor, part: WeightTensor): Promise<void> {
    if (part.scales !== undefined) return this.writeWidened(target, part, part.scales);
    if (part.rowPermutation !== undefined || part.byteLength <= MAPPED_BYTES) return this.write(target, part);
    for (const [piece, firstElement] of piecesOf(part)) {
      this.write(target.view(piece.shape, firstElement), piece);
      if (this.device.planned) continue;
      // What is mapped is resident, beside the copy that is made of it.
      await this.device.synchronize();
      this.unmap();
    }
  }

  /** FP8 as bf16, some rows at a time through one buffer. */
  private async writeWidened(target: Tensor, part: WeightTensor, scales: Fp8Scales): Promise<void> {
    const codes = this.map(part);
    if (codes === undefined) return;
    const [rows = 0, columns = 0] = part.shape;
    const step = Math.min(rows, Math.max(1, Math.floor(WIDENED_ELEMENTS / columns)));
    const buffer = new Uint16Array(step * columns);
    for (let row = 0; row < rows; row += step) {
      const count = Math.min(step, rows - row);
      const own = codes.subarray(row * columns, (row + count) * columns);
      const wide = buffer.subarray(0, count * columns);
      const what = `${part.path}: tensor ${part.name}`;
      widenFp8({ codes: own, firstRow: row, columns, scales }, wide, what);
      this.device.write(target.view([count, columns], row * columns), wide);
      await this.device.synchronize();
    }
  }

  /** The bytes of a tensor in its file until the next `settle`; undefined where the device is only planned. */
  private map(part: WeightTensor): Uint8Array | undefined {
    this.loaded += part.byteLength;
    if (this.device.planned) return undefined;
    const mapped = addon().mapFile(part.path, part.byteOffset, part.byteLength);
    this.mapped.push(mapped);
    return mapped;
  }

  private write(target: Tensor, part: WeightTensor): void {
    const mapped = this.map(part);
    if (mapped === undefined) return;
    this.device.write(
      target,
      part.rowPermutation === undefined ? mapped : permuteRows(mapped, part.rowPermutation),
    );
  }
}

/** Most bytes of a matrix that are mapped at a time. */
const MAPPED_BYTES = 2 ** 26;

/** A tensor as pieces of whole rows, each with the number of its first element. */
export function* piecesOf(part: WeightTensor, most = MAPPED_BYTES): Generator<[WeightTensor, number]> {
  const [rows = 1, columns = 1] = part.shape;
  const rowBytes = part.byteLength / rows;
  const step = Math.max(1, Math.floor(most / rowBytes));
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const byteOffset = part.byteOffset + row * rowBytes;
    const shape = part.shape.length === 1 ? [count] : [count, columns];
    yield [
      { ...part, shape, byteOffset, byteLength: count * rowBytes },
      part.shape.length === 1 ? row : row * columns,
    ];
  }
}

/** Row r of the result is row `permutation[r]` of the stored matrix. */
function permuteRows(stored: Uint8Array, permutation: Int32Array): Uint8Array {
  const rowBytes = stored.length / permutation.length;
  const rows = new Uint8Array(stored.length);
  permutation.forEach((from, to) => {
    rows.set(stored.subarray(from * rowBytes, (from + 1) * rowBytes), to * rowBytes);
  });
  return rows;
}

function runtimeDType({ name, path, dtype, scales }: WeightTensor): DType {
  if (scales !== undefined) return "bf16";
  const lower = dtype.toLowerCase() as DType;
  if (DTYPES.includes(lower)) return lower;
  throw new IBertError("dtype-unsupported", `${path}: tensor ${name} is ${dtype}, which no kernel reads`, {
    hint: "Convert the model to one of F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K.",
  });
}

/** Bytes of a decoder's weights as they would lie on the device, without loading them. */
export async function planDecoderWeights(
  device: Device,
  model: ModelWeights,
  options: LoadOptions = {},
): Promise<number> {
  const planned = device.plan();
  await loadDecoderWeights(planned, model, options);
  return planned.memory.held;
}
