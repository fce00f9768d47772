/**
 * FP8 weights with a scale for each block of rows and columns, as transformers' fine-grained FP8 stores them. Codes:
 * OCP 8-bit Floating Point Specification, E4M3.
 */
import { IBertError } from "../errors.js";
import { floatToBf16 } from "../runtime/bf16.js";

/** The number that an E4M3 code stands for. There are no infinities; 0x7f and 0xff are NaN. */
export function e4m3ToFloat(code: number): number {
  const sign = code & 0x80 ? -1 : 1;
  const exponent = (code >> 3) & 15;
  const fraction = code & 7;
  if (exponent === 0) return sign * fraction * 2 ** -9;
  if (exponent === 15 && fraction === 7) return NaN;
  return sign * (1 + fraction / 8) * 2 ** (exponent - 7);
}

/** The power of two that an E8M0 code stands for; 0xff is NaN (OCP Microscaling Formats, 5.4.1). */
export const e8m0ToFloat = (code: number): number => (code === 0xff ? NaN : 2 ** (code - 127));

const NAN_CODES = [0x7f, 0xff];
const VALUES = Float32Array.from({ length: 256 }, (_, code) => e4m3ToFloat(code));
const LARGEST_BF16 = (2 - 2 ** -7) * 2 ** 127;
/** The largest scale with which every code is finite in bf16. */
export const LARGEST_FP8_SCALE = LARGEST_BF16 / 448;

/** What the codes of a matrix are multiplied with. */
export interface Fp8Scales {
  /** Rows and columns that share a scale; a block at the edge may hold fewer. */
  readonly block: readonly [rows: number, columns: number];
  /** One for each block, row by row. */
  readonly values: Float32Array;
}

/** Whole rows of a matrix of codes. */
export interface Fp8Rows {
  /** (rows, columns) */
  readonly codes: Uint8Array;
  readonly firstRow: number;
  readonly columns: number;
  readonly scales: Fp8Scales;
}

/**
 * Widens rows to code times scale, rounded to float32, and from there to bf16 where `target` holds bit patterns of it.
 * @param target (rows, columns)
 * @param what file and tensor, which errors name
 * @returns `target`
 * @throws IBertError `weights-invalid` naming row and column of a NaN
 */
export function widenFp8<T extends Float32Array | Uint16Array>(
  { codes, firstRow, columns, scales }: Fp8Rows,
  target: T,
  what: string,
): T {
  for (const code of NAN_CODES) {
    const at = codes.indexOf(code);
    if (at < 0) continue;
    const [row, column] = [firstRow + Math.floor(at / columns), at % columns];
    throw new IBertError("weights-invalid", `${what} is NaN in row ${row}, column ${column}`, {
      hint: "The file is damaged, or the model was converted wrongly; fetch it again.",
    });
  }
  const [blockRows, blockColumns] = scales.block;
  const blocksAcross = Math.ceil(columns / blockColumns);
  const endRow = firstRow + codes.length / columns;
  for (let row = firstRow, nextRow; row < endRow; row = nextRow) {
    const down = Math.floor(row / blockRows);
    nextRow = Math.min(endRow, (down + 1) * blockRows);
    for (let across = 0; across < blocksAcross; across++) {
      const scale = scales.values[down * blocksAcross + across] as number;
      const products = VALUES.map((value) => value * scale);
      const table = target instanceof Uint16Array ? floatToBf16(products) : products;
      const endColumn = Math.min(columns, (across + 1) * blockColumns);
      for (let r = row - firstRow; r < nextRow - firstRow; r++) {
        const end = r * columns + endColumn;
        for (let i = r * columns + across * blockColumns; i < end; i++) {
          target[i] = table[codes[i] as number] as number;
        }
      }
    }
  }
  return target;
}
