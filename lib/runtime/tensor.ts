import { IBertError } from "../errors.js";
import { addon, type NativeBuffer, type NativeTensor } from "./native.js";

/** In the order of the native enumeration (native/tensor.h). */
export const DTYPES = [
  "f64",
  "f32",
  "bf16",
  "f16",
  "i32",
  "u8",
  "q8_0",
  "q4_0",
  "q4_1",
  "q4_k",
  "q5_k",
  "q6_k",
  "q5_0",
  "q5_1",
] as const;
export type DType = (typeof DTYPES)[number];

/** `packed` is a weight in its backend's own order, made by the op `packWeight`. */
export type Layout = "rowMajor" | "packed";

let blocks: Map<string, { elements: number; bytes: number }> | undefined;

/** Elements and bytes of one block; one element for plain dtypes. */
export function blockOf(dtype: DType): { elements: number; bytes: number } {
  blocks ??= new Map(
    addon()
      .describeDTypes()
      .map((entry) => [entry.name, { elements: entry.blockElements, bytes: entry.blockBytes }]),
  );
  const block = blocks.get(dtype);
  if (block === undefined) throw new RangeError(`unknown dtype ${dtype}`);
  return block;
}

/**
 * Bytes of a row-major tensor.
 * @throws IBertError `shape` when its last dimension is not whole blocks of a block format.
 */
export function rowMajorBytes(shape: readonly number[], dtype: DType): number {
  const block = blockOf(dtype);
  const last = shape.at(-1) ?? 1;
  if (last % block.elements !== 0) {
    throw new IBertError(
      "shape",
      `${dtype} comes in blocks of ${block.elements}, and the last dimension of (${shape.join(", ")}) is no multiple of that`,
    );
  }
  return (shape.reduce((product, size) => product * size, 1) / block.elements) * block.bytes;
}

/** A view of device memory: row-major `shape` of `dtype`. Cheap; it keeps its memory alive. */
export class Tensor {
  readonly native: NativeTensor;

  constructor(
    readonly buffer: NativeBuffer,
    readonly byteOffset: number,
    readonly shape: readonly number[],
    readonly dtype: DType,
    readonly layout: Layout = "rowMajor",
  ) {
    this.native = new (addon().Tensor)(
      buffer,
      byteOffset,
      shape,
      DTYPES.indexOf(dtype),
      layout === "packed" ? 1 : 0,
    );
  }

  /** The same memory seen with another shape of the same or a smaller size, from `elementOffset` on. */
  view(shape: readonly number[], elementOffset = 0): Tensor {
    const block = blockOf(this.dtype);
    const offset = this.byteOffset + (elementOffset / block.elements) * block.bytes;
    return new Tensor(this.buffer, offset, shape, this.dtype);
  }

  get elements(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }
}
