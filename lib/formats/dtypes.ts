/**
 * The element types that model files hold, under the names of the safetensors and GGUF specifications. A quantised
 * type stores `blockElements` neighbouring elements of a row in `blockBytes` bytes; for a plain type a block is one
 * element.
 */
export interface DTypeLayout {
  readonly blockElements: number;
  readonly blockBytes: number;
}

const plain = (blockBytes: number): DTypeLayout => ({ blockElements: 1, blockBytes });
const quantised = (blockElements: number, blockBytes: number): DTypeLayout => ({ blockElements, blockBytes });

export const DTYPES = {
  F64: plain(8),
  F32: plain(4),
  F16: plain(2),
  BF16: plain(2),
  I64: plain(8),
  I32: plain(4),
  I16: plain(2),
  I8: plain(1),
  U64: plain(8),
  U32: plain(4),
  U16: plain(2),
  U8: plain(1),
  BOOL: plain(1),
  C64: plain(8),
  F8_E4M3: plain(1),
  F8_E5M2: plain(1),
  F8_E8M0: plain(1),
  F8_E4M3FNUZ: plain(1),
  F8_E5M2FNUZ: plain(1),
  F6_E2M3: quantised(4, 3),
  F6_E3M2: quantised(4, 3),
  F4: quantised(2, 1),
  Q8_0: quantised(32, 34),
  Q4_0: quantised(32, 18),
  Q4_1: quantised(32, 20),
  Q5_0: quantised(32, 22),
  Q5_1: quantised(32, 24),
  Q2_K: quantised(256, 84),
  Q3_K: quantised(256, 110),
  Q4_K: quantised(256, 144),
  Q5_K: quantised(256, 176),
  Q6_K: quantised(256, 210),
} as const satisfies Record<string, DTypeLayout>;

export type DType = keyof typeof DTYPES;

/** The types that store a row in blocks with scales of their own: those that only GGUF knows. */
export const BLOCK_DTYPES: ReadonlySet<DType> = new Set<DType>(
  (Object.keys(DTYPES) as DType[]).filter((dtype) => /^Q\d/.test(dtype)),
);

/** Whether a name is that of a type that safetensors knows. */
export function isSafetensorsDType(name: string): name is DType {
  return Object.hasOwn(DTYPES, name) && !BLOCK_DTYPES.has(name as DType);
}

/** Number of elements of a shape; NaN where a dimension is no whole number or the product leaves 2^53. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) return NaN;
    count *= dimension;
  }
  return Number.isSafeInteger(count) ? count : NaN;
}

/** Bytes that a tensor takes in a file; NaN where the shape is no shape or a row is not a whole number of blocks. */
export function tensorBytes(dtype: DType, shape: readonly number[]): number {
  const { blockElements, blockBytes } = DTYPES[dtype];
  const columns = shape.at(-1) ?? 1;
  if (columns % blockElements !== 0) return NaN;
  const bytes = (elementCount(shape) / blockElements) * blockBytes;
  return Number.isSafeInteger(bytes) ? bytes : NaN;
}

/** `(576, 192)`, for messages. */
export function formatShape(shape: readonly number[]): string {
  return `(${shape.join(", ")})`;
}
