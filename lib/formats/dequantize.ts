import { IBertError } from "../errors.js";
import { DTYPES, type DType } from "./dtypes.js";
import { halfToFloat } from "./half.js";

/**
 * Weights as float32, in plain TypeScript: what `model inspect` shows and what the kernels are checked against. Each
 * product and sum is rounded to float32, as ggml's scalar code does. Block layouts: ggml, `ggml-common.h`.
 */

const { fround } = Math;

/** Writes the elements of the block at byte `at` to `out[to…]`. */
type BlockReader = (bytes: DataView, at: number, out: Float32Array, to: number) => void;

const half = (bytes: DataView, at: number): number => halfToFloat(bytes.getUint16(at, true));

/** 16 bytes hold 32 elements: the low nibbles are the first half. */
function nibbles(
  bytes: DataView,
  at: number,
  out: Float32Array,
  to: number,
  value: (q: number) => number,
): void {
  for (let i = 0; i < 16; i++) {
    const pair = bytes.getUint8(at + i);
    out[to + i] = value(pair & 15);
    out[to + 16 + i] = value(pair >> 4);
  }
}

/** Q5_0 and Q5_1: nibbles whose fifth bits are the bits of a 32-bit word before them. */
function fiveBits(
  bytes: DataView,
  at: number,
  out: Float32Array,
  to: number,
  value: (q: number) => number,
): void {
  const high = bytes.getUint32(at, true);
  for (let i = 0; i < 16; i++) {
    const pair = bytes.getUint8(at + 4 + i);
    out[to + i] = value((pair & 15) | (((high >>> i) & 1) << 4));
    out[to + 16 + i] = value((pair >> 4) | (((high >>> (i + 16)) & 1) << 4));
  }
}

/** The 6-bit scale and minimum of sub-block `j` (of 8) in the 12 bytes that Q4_K and Q5_K pack them into. */
export function scaleAndMinimum(bytes: DataView, at: number, j: number): [scale: number, minimum: number] {
  const byte = (i: number): number => bytes.getUint8(at + i);
  if (j < 4) return [byte(j) & 63, byte(j + 4) & 63];
  return [(byte(j + 4) & 15) | ((byte(j - 4) >> 6) << 4), (byte(j + 4) >> 4) | ((byte(j) >> 6) << 4)];
}

/** Q4_K and Q5_K: 8 sub-blocks of 32, pairs of which share 32 bytes of nibbles; Q5_K has a fifth bit in `highBits`. */
function subBlocks(
  bytes: DataView,
  at: number,
  out: Float32Array,
  to: number,
  offsets: { nibbles: number; highBits?: number },
): void {
  const d = half(bytes, at);
  const dMinimum = half(bytes, at + 2);
  for (let j = 0; j < 8; j++) {
    const [scale, minimum] = scaleAndMinimum(bytes, at + 4, j);
    const step = fround(d * scale);
    const offset = fround(dMinimum * minimum);
    for (let i = 0; i < 32; i++) {
      const pair = bytes.getUint8(at + offsets.nibbles + 32 * (j >> 1) + i);
      let q = j % 2 === 0 ? pair & 15 : pair >> 4;
      if (offsets.highBits !== undefined) q |= ((bytes.getUint8(at + offsets.highBits + i) >> j) & 1) << 4;
      out[to + 32 * j + i] = fround(step * q) - offset;
    }
  }
}

function readQ6K(bytes: DataView, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at + 208);
  for (let i = 0; i < 256; i++) {
    // Of each 128 elements, the quarter says which two bits of the high byte and which nibble belong to element i.
    const side = i >> 7;
    const quarter = (i >> 5) & 3;
    const lane = i & 31;
    const low = bytes.getUint8(at + 64 * side + 32 * (quarter & 1) + lane) >> (quarter < 2 ? 0 : 4);
    const high = bytes.getUint8(at + 128 + 32 * side + lane) >> (2 * quarter);
    const scale = bytes.getInt8(at + 192 + (i >> 4));
    out[to + i] = fround(d * scale) * (((low & 15) | ((high & 3) << 4)) - 32);
  }
}

const word = new Uint32Array(1);
const wordAsFloat = new Float32Array(word.buffer);

const READERS: Partial<Record<DType, BlockReader>> = {
  F32: (bytes, at, out, to) => {
    out[to] = bytes.getFloat32(at, true);
  },
  F16: (bytes, at, out, to) => {
    out[to] = half(bytes, at);
  },
  BF16: (bytes, at, out, to) => {
    // The upper half of the float32.
    word[0] = bytes.getUint16(at, true) << 16;
    out[to] = wordAsFloat[0] ?? 0;
  },
  Q8_0: (bytes, at, out, to) => {
    const d = half(bytes, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * bytes.getInt8(at + 2 + i);
  },
  Q4_0: (bytes, at, out, to) => {
    const d = half(bytes, at);
    nibbles(bytes, at + 2, out, to, (q) => d * (q - 8));
  },
  Q4_1: (bytes, at, out, to) => {
    const d = half(bytes, at);
    const minimum = half(bytes, at + 2);
    nibbles(bytes, at + 4, out, to, (q) => fround(d * q) + minimum);
  },
  Q5_0: (bytes, at, out, to) => {
    const d = half(bytes, at);
    fiveBits(bytes, at + 2, out, to, (q) => d * (q - 16));
  },
  Q5_1: (bytes, at, out, to) => {
    const d = half(bytes, at);
    const minimum = half(bytes, at + 2);
    fiveBits(bytes, at + 4, out, to, (q) => fround(d * q) + minimum);
  },
  Q4_K: (bytes, at, out, to) => subBlocks(bytes, at, out, to, { nibbles: 16 }),
  Q5_K: (bytes, at, out, to) => subBlocks(bytes, at, out, to, { nibbles: 48, highBits: 16 }),
  Q6_K: readQ6K,
};

/**
 * The elements that `bytes` hold, in their order.
 * @param bytes whole blocks of `dtype`
 * @param what file and tensor, which errors name
 * @throws IBertError `dtype-unsupported`, `tensor-size`.
 */
export function dequantize(dtype: DType, bytes: Uint8Array, what?: string): Float32Array {
  const prefix = what === undefined ? "" : `${what}: `;
  const reader = READERS[dtype];
  if (reader === undefined) {
    throw new IBertError("dtype-unsupported", `${prefix}${dtype} is not converted to float32`, {
      hint: `Converted are ${Object.keys(READERS).join(", ")}.`,
    });
  }
  const { blockElements, blockBytes } = DTYPES[dtype];
  if (bytes.byteLength % blockBytes !== 0) {
    throw new IBertError(
      "tensor-size",
      `${prefix}${bytes.byteLength} bytes are no whole number of ${dtype} blocks (${blockBytes} bytes each)`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array((bytes.byteLength / blockBytes) * blockElements);
  for (let block = 0; block * blockBytes < bytes.byteLength; block++) {
    reader(view, block * blockBytes, out, block * blockElements);
  }
  return out;
}
