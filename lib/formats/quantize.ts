import { IBertError } from "../errors.js";
import { floatToBf16 } from "../runtime/bf16.js";
import { DTYPES, type DType } from "./dtypes.js";
import { floatToHalf } from "./half.js";
import { writeQ4K, writeQ5K, writeQ6K, type BlockWriter } from "./quantize-k.js";

/**
 * float32 as weights are stored: the inverse of dequantize.ts, with the bits of ggml's scalar code (`quantize_row_*_ref` of
 * `ggml-quants.c`).
 */

const { fround } = Math;

const BLOCK = 32;

/** The element of largest magnitude, the first of equals. */
function extreme(values: Float32Array, from: number): number {
  let most = 0;
  for (let i = from; i < from + BLOCK; i++) {
    const value = values[i] ?? 0;
    if (Math.abs(value) > Math.abs(most)) most = value;
  }
  return most;
}

function range(values: Float32Array, from: number): [least: number, most: number] {
  let [least, most] = [Infinity, -Infinity];
  for (let i = from; i < from + BLOCK; i++) {
    const value = values[i] ?? 0;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return [least, most];
}

const inverse = (step: number): number => (step === 0 ? 0 : fround(1 / step));

/** 32 codes of 4 bits, the first half in the low nibbles; a fifth bit goes into a word before them. */
function storeCodes(bytes: DataView, at: number, fifth: boolean, code: (i: number) => number): void {
  let high = 0;
  const nibbles = fifth ? at + 4 : at;
  for (let i = 0; i < 16; i++) {
    const [low, upper] = [code(i), code(i + 16)];
    bytes.setUint8(nibbles + i, (low & 15) | ((upper & 15) << 4));
    high |= ((low >> 4) << i) | ((upper >> 4) << (i + 16));
  }
  if (fifth) bytes.setUint32(at, high >>> 0, true);
}

/** Q4_0 and Q5_0: codes about the middle of `levels`. */
const centred =
  (levels: number, fifth: boolean): BlockWriter =>
  (values, from, bytes, at) => {
    const step = fround(extreme(values, from) / -(levels / 2));
    const factor = inverse(step);
    bytes.setUint16(at, floatToHalf(step), true);
    storeCodes(bytes, at + 2, fifth, (i) =>
      Math.min(levels - 1, Math.trunc((values[from + i] ?? 0) * factor + levels / 2 + 0.5)),
    );
  };

/** Q4_1 and Q5_1: codes from the least element up. */
const fromLeast =
  (levels: number, fifth: boolean): BlockWriter =>
  (values, from, bytes, at) => {
    const [least, most] = range(values, from);
    const step = fround(fround(most - least) / (levels - 1));
    const factor = inverse(step);
    bytes.setUint16(at, floatToHalf(step), true);
    bytes.setUint16(at + 2, floatToHalf(least), true);
    storeCodes(bytes, at + 4, fifth, (i) => {
      const steps = fround(fround((values[from + i] ?? 0) - least) * factor);
      return Math.min(levels - 1, Math.trunc(fround(steps + 0.5)));
    });
  };

const WRITERS: Partial<Record<DType, BlockWriter>> = {
  Q8_0: (values, from, bytes, at) => {
    const step = fround(Math.abs(extreme(values, from)) / 127);
    const factor = inverse(step);
    bytes.setUint16(at, floatToHalf(step), true);
    for (let i = 0; i < BLOCK; i++) {
      const steps = fround((values[from + i] ?? 0) * factor);
      // The nearest, and of two the one farther from zero.
      bytes.setInt8(at + 2 + i, Math.sign(steps) * Math.floor(Math.abs(steps) + 0.5));
    }
  },
  Q4_0: centred(16, false),
  Q4_1: fromLeast(16, false),
  Q5_0: centred(32, true),
  Q5_1: fromLeast(32, true),
  Q4_K: writeQ4K,
  Q5_K: writeQ5K,
  Q6_K: writeQ6K,
};

/** The types that have no blocks. */
const PLAIN: Partial<Record<DType, (values: Float32Array) => Float32Array | Uint16Array>> = {
  F32: (values) => values.slice(),
  F16: (values) => Uint16Array.from(values, floatToHalf),
  BF16: floatToBf16,
};

export const WRITTEN_DTYPES = [...Object.keys(PLAIN), ...Object.keys(WRITERS)] as DType[];

/**
 * The bytes of `values` in a type.
 * @param values whole blocks
 * @param what file and tensor, which errors name
 * @throws IBertError `dtype-unsupported`, `tensor-size`.
 */
export function quantize(dtype: DType, values: Float32Array, what?: string): Uint8Array {
  const prefix = what === undefined ? "" : `${what}: `;
  const plain = PLAIN[dtype]?.(values);
  if (plain !== undefined) return new Uint8Array(plain.buffer, plain.byteOffset, plain.byteLength);
  const writer = WRITERS[dtype];
  if (writer === undefined) {
    throw new IBertError("dtype-unsupported", `${prefix}${dtype} is not written`, {
      hint: `Written are ${WRITTEN_DTYPES.join(", ")}.`,
    });
  }
  const { blockElements, blockBytes } = DTYPES[dtype];
  if (values.length % blockElements !== 0) {
    throw new IBertError(
      "tensor-size",
      `${prefix}${values.length} elements are no whole number of ${dtype} blocks (${blockElements} elements each)`,
    );
  }
  const bytes = new Uint8Array((values.length / blockElements) * blockBytes);
  const view = new DataView(bytes.buffer);
  for (let block = 0; block * blockElements < values.length; block++) {
    writer(values, block * blockElements, view, block * blockBytes);
  }
  return bytes;
}
