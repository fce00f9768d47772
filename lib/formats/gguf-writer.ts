/** Writes GGUF files: adapters, as llama.cpp reads them. */
import { writeFileAtomic, type AtomicOptions } from "./atomic.js";
import { tensorBytes, type DType } from "./dtypes.js";
import { DEFAULT_ALIGNMENT, GGML_TYPES, GGUF_MAGIC, GGUF_VALUE_TYPES, type GgufValueType } from "./gguf.js";
import type { TensorToWrite } from "./safetensors-writer.js";

/** A metadata value with its type in the file. */
export type TypedValue =
  | { type: Exclude<GgufValueType, "array">; value: number | bigint | boolean | string }
  | {
      type: "array";
      of: Exclude<GgufValueType, "array">;
      value: readonly (number | bigint | boolean | string)[];
    };

/** The bytes of a header, value by value. */
export class GgufBytes {
  readonly parts: Buffer[] = [];
  length = 0;

  #push(bytes: number, write: (buffer: Buffer) => void): void {
    const buffer = Buffer.alloc(bytes);
    write(buffer);
    this.bytes(buffer);
  }

  bytes(buffer: Buffer): void {
    this.parts.push(buffer);
    this.length += buffer.length;
  }

  u32 = (value: number): void => this.#push(4, (b) => b.writeUInt32LE(value));
  u64 = (value: number | bigint): void => this.#push(8, (b) => b.writeBigUInt64LE(BigInt(value)));

  string(value: string): void {
    const bytes = Buffer.from(value);
    this.u64(bytes.length);
    this.bytes(bytes);
  }

  scalar(type: Exclude<GgufValueType, "array">, value: number | bigint | boolean | string): void {
    if (type === "string") return this.string(String(value));
    const number = Number(value);
    const writers: Record<Exclude<GgufValueType, "array" | "string">, () => void> = {
      u8: () => this.#push(1, (b) => b.writeUInt8(number)),
      i8: () => this.#push(1, (b) => b.writeInt8(number)),
      u16: () => this.#push(2, (b) => b.writeUInt16LE(number)),
      i16: () => this.#push(2, (b) => b.writeInt16LE(number)),
      u32: () => this.u32(number),
      i32: () => this.#push(4, (b) => b.writeInt32LE(number)),
      f32: () => this.#push(4, (b) => b.writeFloatLE(number)),
      bool: () => this.#push(1, (b) => b.writeUInt8(number)),
      u64: () => this.u64(BigInt(value)),
      i64: () => this.#push(8, (b) => b.writeBigInt64LE(BigInt(value))),
      f64: () => this.#push(8, (b) => b.writeDoubleLE(number)),
    };
    writers[type]();
  }

  value(value: TypedValue): void {
    this.u32(GGUF_VALUE_TYPES.indexOf(value.type));
    if (value.type !== "array") return this.scalar(value.type, value.value);
    this.u32(GGUF_VALUE_TYPES.indexOf(value.of));
    this.u64(value.value.length);
    for (const element of value.value) this.scalar(value.of, element);
  }

  pad(alignment: number): void {
    this.bytes(Buffer.alloc((alignment - (this.length % alignment)) % alignment));
  }
}

/** The number of a type; NaN where ggml has no such type. */
export const ggmlType = (dtype: DType): number =>
  [...GGML_TYPES].find(([, name]) => name === dtype)?.[0] ?? NaN;

/** The bytes that a tensor takes in a file, padded. */
export const paddedBytes = (bytes: number): number =>
  Math.ceil(bytes / DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT;

/** The header of a GGUF of version 3 whose tensors follow in this order, each padded to the default alignment. */
export function ggufHeader(
  metadata: Readonly<Record<string, TypedValue>>,
  tensors: readonly { name: string; dtype: DType; shape: readonly number[] }[],
): GgufBytes {
  const entries = Object.entries(metadata);
  const header = new GgufBytes();
  header.u32(GGUF_MAGIC);
  header.u32(3);
  header.u64(tensors.length);
  header.u64(entries.length);
  for (const [key, value] of entries) {
    header.string(key);
    header.value(value);
  }
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    header.string(name);
    header.u32(shape.length);
    for (const dimension of [...shape].reverse()) header.u64(dimension);
    header.u32(ggmlType(dtype));
    header.u64(offset);
    offset += paddedBytes(tensorBytes(dtype, shape));
  }
  header.pad(DEFAULT_ALIGNMENT);
  return header;
}

/**
 * Writes a GGUF of version 3, whole or not at all.
 * @throws IBertError `disk-full`, `write-failed` naming the path.
 */
export async function writeGguf(
  path: string,
  {
    metadata,
    tensors,
  }: { metadata: Record<string, TypedValue>; tensors: ReadonlyMap<string, TensorToWrite> },
  options: AtomicOptions = {},
): Promise<void> {
  const header = ggufHeader(
    metadata,
    [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
  );
  const pieces = function* (): Generator<Uint8Array> {
    yield* header.parts;
    for (const { data } of tensors.values()) {
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      yield new Uint8Array(paddedBytes(data.byteLength) - data.byteLength);
    }
  };
  await writeFileAtomic(path, pieces(), options);
}
