import { DTYPES, type DType } from "../dtypes.js";
import { DEFAULT_ALIGNMENT, GGML_TYPES, GGUF_MAGIC, GGUF_VALUE_TYPES, type GgufValueType } from "../gguf.js";

/** A metadata value with its type in the file. */
export type TypedValue =
  | { type: Exclude<GgufValueType, "array">; value: number | bigint | boolean | string }
  | {
      type: "array";
      of: Exclude<GgufValueType, "array">;
      value: readonly (number | bigint | boolean | string)[];
    };

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

class Writer {
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

const typeId = (dtype: DType | number): number =>
  typeof dtype === "number" ? dtype : ([...GGML_TYPES].find(([, name]) => name === dtype)?.[0] ?? NaN);

/** The bytes of a GGUF file, for tests; what a test asks for is written even where it is wrong. */
export function encodeGguf({ version = 3, metadata = {}, tensors = [] }: GgufContent): Buffer {
  const writer = new Writer();
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
  const data = new Writer();
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
