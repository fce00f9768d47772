import { DTYPES, type DType } from "../dtypes.js";
import { DEFAULT_ALIGNMENT, GGUF_MAGIC } from "../gguf.js";
import { ggmlType, GgufBytes, type TypedValue } from "../gguf-writer.js";

export type { TypedValue } from "../gguf-writer.js";

export interface TensorToStore {
  name: string;
  /** A type's name, or its number where the test wants one that is unknown. */
  dtype: DType | number;
  /** (rows, columns) */
  shape: readonly number[];
  data: Uint8Array;
  /** Instead of the next free place. */
  offset?: number;
}

export interface GgufContent {
  version?: number;
  metadata?: Record<string, TypedValue> | readonly (readonly [string, TypedValue])[];
  tensors?: readonly TensorToStore[];
}

const typeId = (dtype: DType | number): number => (typeof dtype === "number" ? dtype : ggmlType(dtype));

/** The bytes of a GGUF file, for tests; what a test asks for is written even where it is wrong. */
export function encodeGguf({ version = 3, metadata = {}, tensors = [] }: GgufContent): Buffer {
  const writer = new GgufBytes();
  const entries = Array.isArray(metadata) ? metadata : Object.entries(metadata);
  const typed = entries as readonly (readonly [string, TypedValue])[];
  const alignment = Number(
    typed.find(([key]) => key === "general.alignment")?.[1].value ?? DEFAULT_ALIGNMENT,
  );
  writer.u32(GGUF_MAGIC);
  writer.u32(version);
  writer.u64(tensors.length);
  writer.u64(typed.length);
  for (const [key, value] of typed) {
    writer.string(key);
    writer.value(value);
  }
  const data = new GgufBytes();
  for (const { name, dtype, shape, data: bytes, offset } of tensors) {
    writer.string(name);
    writer.u32(shape.length);
    for (const dimension of [...shape].reverse()) writer.u64(dimension);
    writer.u32(typeId(dtype));
    writer.u64(offset ?? data.length);
    data.bytes(Buffer.from(bytes));
    data.pad(alignment || DEFAULT_ALIGNMENT);
  }
  writer.pad(alignment || DEFAULT_ALIGNMENT);
  return Buffer.concat([...writer.parts, ...data.parts]);
}

/** Bytes of the right number for a tensor, all zero. */
export function zeros(dtype: DType, shape: readonly number[]): Uint8Array {
  const { blockElements, blockBytes } = DTYPES[dtype];
  return new Uint8Array((shape.reduce((a, b) => a * b, 1) / blockElements) * blockBytes);
}
