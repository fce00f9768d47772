/** W + scale B A (Hu et al. 2021), row by row, as a file stores it, and how far that is from what was meant. */
import { IBertError } from "../errors.js";
import { dequantize } from "../formats/dequantize.js";
import type { DType } from "../formats/dtypes.js";
import { readRange } from "../formats/file.js";
import { widenFp8 } from "../formats/fp8.js";
import { moduleLora } from "../formats/peft-modules.js";
import type { PeftAdapter } from "../formats/peft.js";
import { quantize } from "../formats/quantize.js";
import { readWeight, type WeightTensor } from "./weights.js";

/** Elements that are widened at a time. */
const CHUNK_ELEMENTS = 1 << 22;

/** What an adapter adds to one weight. */
export interface Update {
  /** (r, in) */
  a: Float32Array;
  /** (out, r) */
  b: Float32Array;
  rank: number;
  scale: number;
}

/** Distances are Euclidean norms over all adapted weights. */
export interface Divergence {
  /** |stored - (W + update)| / |update|: at 1 rounding outweighs what was learned. Null where the update is zero. */
  ofUpdate: number | null;
  /** |stored - (W + update)| / |W + update| */
  ofWeights: number | null;
  /** The weight with the largest `ofUpdate`. */
  worst: { name: string; ofUpdate: number } | null;
}

/** Sums of squares of one weight. */
interface Squares {
  error: number;
  update: number;
  weights: number;
}

/** Adds up how far stored weights are from what was meant. */
export class DivergenceMeter {
  private readonly squares = new Map<string, Squares>();

  /** Weights that were adapted. */
  get tensors(): number {
    return this.squares.size;
  }

  of(name: string): Squares {
    let own = this.squares.get(name);
    if (own === undefined) this.squares.set(name, (own = { error: 0, update: 0, weights: 0 }));
    return own;
  }

  get result(): Divergence {
    const total = { error: 0, update: 0, weights: 0 };
    let worst: Divergence["worst"] = null;
    for (const [name, own] of this.squares) {
      total.error += own.error;
      total.update += own.update;
      total.weights += own.weights;
      const ofUpdate = ratio(own.error, own.update);
      if (ofUpdate !== null && ofUpdate > (worst?.ofUpdate ?? -1)) worst = { name, ofUpdate };
    }
    return {
      ofUpdate: ratio(total.error, total.update),
      ofWeights: ratio(total.error, total.weights),
      worst,
    };
  }
}

const ratio = (error: number, of: number): number | null => (of === 0 ? null : Math.sqrt(error / of));

/** What the adapter adds to a weight, by its name; undefined where that is nothing. */
export function updateOf(weight: string, { config, tensors }: PeftAdapter): Update | undefined {
  const module = weight.replace(/\.weight$/, "");
  const a = tensors.get(`base_model.model.${module}.lora_A.weight`)?.data;
  const b = tensors.get(`base_model.model.${module}.lora_B.weight`)?.data;
  const lora = moduleLora(config)(module);
  if (a === undefined || b === undefined || lora === undefined) return undefined;
  if (b.every((value) => value === 0)) return undefined;
  return { a, b, ...lora };
}

/**
 * The rows of a weight with its update in a type, some at a time, in Hugging Face's order.
 * @throws IBertError `not-finite` naming the weight, where a merged value does not fit the type
 */
export async function* storedRows(
  weight: WeightTensor,
  dtype: DType,
  update: Update | undefined,
  divergence: DivergenceMeter,
): AsyncGenerator<Uint8Array> {
  const { name } = weight;
  const rows = weight.shape.length === 2 ? (weight.shape[0] ?? 1) : 1;
  const columns = weight.shape.at(-1) ?? 1;
  const rowBytes = weight.byteLength / rows;
  // Permuted rows lie anywhere in the tensor, so it is read whole; only q and k of a GGUF are permuted.
  const whole = weight.rowPermutation === undefined ? undefined : await readWeight(weight);
  const step = Math.max(1, Math.floor(CHUNK_ELEMENTS / columns));
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const bytes =
      whole?.subarray(row * rowBytes, (row + count) * rowBytes) ??
      (await readRange({
        path: weight.path,
        byteOffset: weight.byteOffset + row * rowBytes,
        byteLength: count * rowBytes,
      }));
    const what = `${weight.path}: tensor ${name}`;
    const { scales } = weight;
    const values =
      scales === undefined
        ? dequantize(weight.dtype, bytes, what)
        : widenFp8({ codes: bytes, firstRow: row, columns, scales }, new Float32Array(count * columns), what);
    if (update === undefined) {
      yield quantize(dtype, values, name);
      continue;
    }
    const squares = divergence.of(name);
    addUpdate(values, row, columns, update, squares);
    const stored = quantize(dtype, values, name);
    const back = dequantize(dtype, stored);
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      squares.error += (value - (back[i] as number)) ** 2;
      squares.weights += value * value;
    }
    if (!Number.isFinite(squares.error)) {
      throw new IBertError("not-finite", `${name}: a merged weight is not finite as ${dtype}`, {
        hint: "The adapter's values are too large for this type, or are no numbers.",
      });
    }
    yield stored;
  }
}

function addUpdate(
  values: Float32Array,
  firstRow: number,
  columns: number,
  { a, b, rank, scale }: Update,
  squares: Squares,
): void {
  const sum = new Float64Array(columns);
  for (let row = 0; row * columns < values.length; row++) {
    sum.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = b[(firstRow + row) * rank + r] as number;
      const start = r * columns;
      for (let i = 0; i < columns; i++) sum[i] = (sum[i] as number) + factor * (a[start + i] as number);
    }
    const start = row * columns;
    for (let i = 0; i < columns; i++) {
      const update = scale * (sum[i] as number);
      squares.update += update * update;
      values[start + i] = (values[start + i] as number) + update;
    }
  }
}
