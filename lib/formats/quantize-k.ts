/**
 * float32 in ggml's K types: blocks of 256 elements whose sub-blocks have scales of few bits, which are searched for. The bits
 * are those of its scalar code (`quantize_row_q4_K_ref`, `_q5_K_ref`, `_q6_K_ref`, `make_qkx2_quants` and `make_qx_quants` of
 * `ggml-quants.c`): the same order of sums, each operation rounded to float32.
 */
import { scaleAndMinimum } from "./dequantize.js";
import { floatToHalf, halfToFloat } from "./half.js";

const { fround } = Math;

/** Writes the block of the elements `values[from…]` at byte `at`. */
export type BlockWriter = (values: Float32Array, from: number, bytes: DataView, at: number) => void;

const BLOCK = 256;
const TENTH = fround(0.1);
/** A float32 sum with it has no fraction: 1.5 * 2^23. */
const WHOLE = 12582912;

/** The whole number nearest to |value| < 2^22, ties to even, within bounds. */
function code(value: number, least: number, most: number): number {
  const nearest = fround(fround(value) + WHOLE) - WHOLE;
  return nearest > most ? most : nearest > least ? nearest : least;
}

const codes = new Uint8Array(BLOCK);

/** Of Q4_K and Q5_K: codes go up to `levels`; the search begins at `first` and takes `steps` steps of a tenth. */
interface Search {
  levels: number;
  first: number;
  steps: number;
}

const SUB_BLOCK = 32;
const SUB_BLOCKS = BLOCK / SUB_BLOCK;
const weights = new Float32Array(SUB_BLOCK);
const guesses = new Uint8Array(SUB_BLOCK);

/** Weighted squares of what `guesses` miss. */
function missed(x: Float32Array, from: number, scale: number, least: number): number {
  let error = 0;
  for (let i = 0; i < SUB_BLOCK; i++) {
    const difference = fround(
      fround(fround(scale * (guesses[i] as number)) + least) - (x[from + i] as number),
    );
    error = fround(error + fround((weights[i] as number) * fround(difference * difference)));
  }
  return error;
}

function guess(x: Float32Array, from: number, inverse: number, least: number, levels: number): void {
  for (let i = 0; i < SUB_BLOCK; i++) {
    guesses[i] = code(fround(inverse * fround((x[from + i] as number) - least)), 0, levels);
  }
}

/** Larger elements weigh more. */
function weigh(x: Float32Array, from: number): void {
  let squares = 0;
  for (let i = 0; i < SUB_BLOCK; i++) {
    const value = x[from + i] as number;
    squares = fround(squares + fround(value * value));
  }
  const mean = fround(Math.sqrt(fround(squares / SUB_BLOCK)));
  for (let i = 0; i < SUB_BLOCK; i++) weights[i] = fround(mean + Math.abs(x[from + i] as number));
}

/** Scale, offset and, from `codes[to]` on, codes of a sub-block with the least weighted error (`make_qkx2_quants`). */
function fitSubBlock(
  x: Float32Array,
  from: number,
  to: number,
  { levels, first, steps }: Search,
): [scale: number, minimum: number] {
  weigh(x, from);
  let [least, most] = [x[from] as number, x[from] as number];
  let [sumW, sumX] = [0, 0];
  for (let i = 0; i < SUB_BLOCK; i++) {
    const value = x[from + i] as number;
    if (value < least) least = value;
    if (value > most) most = value;
    sumW = fround(sumW + (weights[i] as number));
    sumX = fround(sumX + fround((weights[i] as number) * value));
  }
  if (least > 0) least = 0;
  if (most === least) {
    codes.fill(0, to, to + SUB_BLOCK);
    return [0, -least];
  }
  let inverse = fround(levels / fround(most - least));
  let scale = fround(1 / inverse);
  guess(x, from, inverse, least, levels);
  codes.set(guesses, to);
  let best = missed(x, from, scale, least);
  for (let step = 0; step <= steps; step++) {
    // From the best minimum so far, as ggml has it.
    inverse = fround(fround(fround(first + fround(TENTH * step)) + levels) / fround(most - least));
    guess(x, from, inverse, least, levels);
    let [sumL, sumL2, sumXL] = [0, 0, 0];
    for (let i = 0; i < SUB_BLOCK; i++) {
      const weighted = fround((weights[i] as number) * (guesses[i] as number));
      sumL = fround(sumL + weighted);
      sumL2 = fround(sumL2 + fround(weighted * (guesses[i] as number)));
      sumXL = fround(sumXL + fround(weighted * (x[from + i] as number)));
    }
    const determinant = fround(fround(sumW * sumL2) - fround(sumL * sumL));
    if (!(determinant > 0)) continue;
    let thisScale = fround(fround(fround(sumW * sumXL) - fround(sumX * sumL)) / determinant);
    let thisLeast = fround(fround(fround(sumL2 * sumX) - fround(sumL * sumXL)) / determinant);
    if (thisLeast > 0) [thisScale, thisLeast] = [fround(sumXL / sumL2), 0];
    const error = missed(x, from, thisScale, thisLeast);
    if (!(error < best)) continue;
    [best, scale, least] = [error, thisScale, thisLeast];
    codes.set(guesses, to);
  }
  return [scale, -least];
}

const scales = new Float32Array(BLOCK / 16);
const minima = new Float32Array(SUB_BLOCKS);

const largest = (values: Float32Array): number => {
  let most = 0;
  for (let i = 0; i < SUB_BLOCKS; i++) if ((values[i] as number) > most) most = values[i] as number;
  return most;
};

/** Scales and offsets of the block, in 16 bytes at `at`, and `codes` by what of them is left in 6 bits. */
function writeSubBlocks(x: Float32Array, from: number, bytes: DataView, at: number, search: Search): void {
  for (let j = 0; j < SUB_BLOCKS; j++) {
    const [scale, minimum] = fitSubBlock(x, from + SUB_BLOCK * j, SUB_BLOCK * j, search);
    scales[j] = scale;
    minima[j] = minimum;
  }
  const [mostScale, mostMinimum] = [largest(scales), largest(minima)];
  const sixBits = (value: number, most: number): number =>
    most > 0 ? code(fround(fround(63 / most) * value), 0, 63) : 0;
  bytes.setUint16(at, floatToHalf(fround(mostScale / 63)), true);
  bytes.setUint16(at + 2, floatToHalf(fround(mostMinimum / 63)), true);
  const packed = at + 4;
  for (let j = 0; j < SUB_BLOCKS; j++) {
    const scale = sixBits(scales[j] as number, mostScale);
    const minimum = sixBits(minima[j] as number, mostMinimum);
    if (j < 4) {
      bytes.setUint8(packed + j, scale);
      bytes.setUint8(packed + j + 4, minimum);
    } else {
      bytes.setUint8(packed + j + 4, (scale & 15) | ((minimum & 15) << 4));
      bytes.setUint8(packed + j - 4, bytes.getUint8(packed + j - 4) | ((scale >> 4) << 6));
      bytes.setUint8(packed + j, bytes.getUint8(packed + j) | ((minimum >> 4) << 6));
    }
  }
  const [d, dMinimum] = [halfToFloat(bytes.getUint16(at, true)), halfToFloat(bytes.getUint16(at + 2, true))];
  for (let j = 0; j < SUB_BLOCKS; j++) {
    const [scale, minimum] = scaleAndMinimum(bytes, packed, j);
    const [step, offset] = [fround(d * scale), fround(dMinimum * minimum)];
    // The codes of the search stay, which mean nothing then.
    if (step === 0) continue;
    for (let i = SUB_BLOCK * j; i < SUB_BLOCK * (j + 1); i++) {
      const value = x[from + i] as number;
      codes[i] = code(fround(fround(value + offset) / step), 0, search.levels);
    }
  }
}

/** The low 4 bits of `codes`: pairs of sub-blocks share bytes. */
function writeNibbles(bytes: DataView, at: number): void {
  for (let pair = 0; pair < SUB_BLOCKS / 2; pair++) {
    for (let i = 0; i < SUB_BLOCK; i++) {
      const [low, high] = [codes[64 * pair + i] as number, codes[64 * pair + SUB_BLOCK + i] as number];
      bytes.setUint8(at + SUB_BLOCK * pair + i, (low & 15) | ((high & 15) << 4));
    }
  }
}

export const writeQ4K: BlockWriter = (values, from, bytes, at) => {
  writeSubBlocks(values, from, bytes, at, { levels: 15, first: -1, steps: 20 });
  writeNibbles(bytes, at + 16);
};

export const writeQ5K: BlockWriter = (values, from, bytes, at) => {
  writeSubBlocks(values, from, bytes, at, { levels: 31, first: -0.5, steps: 15 });
  for (let i = 0; i < SUB_BLOCK; i++) {
    let fifth = 0;
    for (let j = 0; j < SUB_BLOCKS; j++) fifth |= ((codes[SUB_BLOCK * j + i] as number) >> 4) << j;
    bytes.setUint8(at + 16 + i, fifth);
  }
  writeNibbles(bytes, at + 48);
};

/** Elements of Q6_K that share a scale. */
const GROUP = 16;
/** What ggml takes for zero. */
const ZERO = fround(1e-15);

/** x codes and codes codes, each by the weight x², of 16 elements at `inverse`. */
function correlate(x: Float32Array, from: number, inverse: number): [sumXL: number, sumL2: number] {
  let [sumXL, sumL2] = [0, 0];
  for (let i = from; i < from + GROUP; i++) {
    const value = x[i] as number;
    const level = code(fround(inverse * value), -32, 31);
    const weight = fround(value * value);
    sumXL = fround(sumXL + fround(fround(weight * value) * level));
    sumL2 = fround(sumL2 + fround(fround(weight * level) * level));
  }
  return [sumXL, sumL2];
}

/** The scale and, from `codes[to]` on, codes of 16 elements with the least error weighted by x² (`make_qx_quants`). */
function fitGroup(x: Float32Array, from: number, to: number): number {
  let extreme = 0;
  for (let i = from; i < from + GROUP; i++) {
    if (Math.abs(x[i] as number) > Math.abs(extreme)) extreme = x[i] as number;
  }
  if (Math.abs(extreme) < ZERO) {
    codes.fill(0, to, to + GROUP);
    return 0;
  }
  let bestInverse = fround(-32 / extreme);
  let [sumXL, sumL2] = correlate(x, from, bestInverse);
  let scale = sumL2 === 0 ? 0 : fround(sumXL / sumL2);
  let best = fround(scale * sumXL);
  for (let step = -9; step <= 9; step++) {
    if (step === 0) continue;
    const inverse = fround(-fround(32 + fround(TENTH * step)) / extreme);
    [sumXL, sumL2] = correlate(x, from, inverse);
    if (!(sumL2 > 0 && fround(sumXL * sumXL) > fround(best * sumL2))) continue;
    scale = fround(sumXL / sumL2);
    best = fround(scale * sumXL);
    bestInverse = inverse;
  }
  for (let i = 0; i < GROUP; i++) {
    codes[to + i] = code(fround(bestInverse * (x[from + i] as number)), -32, 31) + 32;
  }
  return scale;
}

export const writeQ6K: BlockWriter = (values, from, bytes, at) => {
  let extreme = 0;
  for (let j = 0; j < BLOCK / GROUP; j++) {
    const scale = (scales[j] = fitGroup(values, from + GROUP * j, GROUP * j));
    if (Math.abs(scale) > Math.abs(extreme)) extreme = scale;
  }
  // The bytes are zeros already.
  if (Math.abs(extreme) < ZERO) return;
  const inverse = fround(-128 / extreme);
  bytes.setUint16(at + 208, floatToHalf(fround(1 / inverse)), true);
  const d = halfToFloat(bytes.getUint16(at + 208, true));
  for (let j = 0; j < BLOCK / GROUP; j++) {
    bytes.setInt8(at + 192 + j, code(fround(inverse * (scales[j] as number)), -128, 127));
    const step = fround(d * bytes.getInt8(at + 192 + j));
    if (step === 0) continue;
    for (let i = GROUP * j; i < GROUP * (j + 1); i++) {
      codes[i] = code(fround((values[from + i] as number) / step), -32, 31) + 32;
    }
  }
  for (let side = 0; side < 2; side++) {
    for (let lane = 0; lane < 32; lane++) {
      const quarter = (i: number): number => codes[128 * side + 32 * i + lane] as number;
      const low = at + 64 * side + lane;
      bytes.setUint8(low, (quarter(0) & 15) | ((quarter(2) & 15) << 4));
      bytes.setUint8(low + 32, (quarter(1) & 15) | ((quarter(3) & 15) << 4));
      const high = [0, 1, 2, 3].reduce((bits, i) => bits | ((quarter(i) >> 4) << (2 * i)), 0);
      bytes.setUint8(at + 128 + 32 * side + lane, high);
    }
  }
};
