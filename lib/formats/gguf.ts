import { statSync } from "node:fs";

import { IBertError } from "../errors.js";
import { DTYPES, elementCount, formatShape, tensorBytes, type DType } from "./dtypes.js";
import { joinParts, partCount, partPaths, type GgufPart } from "./gguf-split.js";
import { HeaderReader, readRange, truncated, type ByteRange } from "./file.js";

/** A metadata value. 64-bit integers are numbers where a number holds them exactly. */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

export interface GgufTensor extends ByteRange {
  readonly name: string;
  readonly dtype: DType;
  /** Row-major, as (rows, columns): the reverse of the order in the file. */
  readonly shape: readonly number[];
}

/** An opened GGUF file, its header, metadata and tensor table parsed and checked. Holds no open descriptor. */
export interface Gguf {
  readonly path: string;
  readonly version: number;
  readonly alignment: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** The files that it lies in: one, or all parts of a split model. */
  readonly parts: readonly string[];
  /** The bytes of one tensor as stored, into `target` or a new array. */
  read(name: string, target?: Uint8Array): Promise<Uint8Array>;
}

export const GGUF_MAGIC = 0x46554747;
export const DEFAULT_ALIGNMENT = 32;
const MAX_DIMENSIONS = 4;

/** The numbers of ggml's types; the ones without a layout here are known by name only, for the error message. */
export const GGML_TYPES: ReadonlyMap<number, DType> = new Map([
  [0, "F32"],
  [1, "F16"],
  [2, "Q4_0"],
  [3, "Q4_1"],
  [6, "Q5_0"],
  [7, "Q5_1"],
  [8, "Q8_0"],
  [10, "Q2_K"],
  [11, "Q3_K"],
  [12, "Q4_K"],
  [13, "Q5_K"],
  [14, "Q6_K"],
  [24, "I8"],
  [25, "I16"],
  [26, "I32"],
  [27, "I64"],
  [28, "F64"],
  [30, "BF16"],
]);

/** Value types of the metadata, in the order of their numbers (GGUF specification, `gguf_metadata_value_type`). */
export const GGUF_VALUE_TYPES = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;
export type GgufValueType = (typeof GGUF_VALUE_TYPES)[number];

/** The least that one value takes in the file: bounds an array's claimed length before anything is allocated. */
const LEAST_BYTES: Record<GgufValueType, number> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  string: 8,
  array: 12,
  u64: 8,
  i64: 8,
  f64: 8,
};

function invalid(path: string, message: string): IBertError {
  return new IBertError("gguf-invalid", `${path}: ${message}`, {
    hint: "The file is damaged or no GGUF file of version 2 or 3; fetch it again.",
  });
}

/** A 64-bit count or length, refused where the rest of the file could not hold that many items. */
function readCount(reader: HeaderReader, leastBytes: number): number {
  const count = Number(reader.u64());
  if (count * leastBytes > reader.remaining) {
    throw truncated(reader.path, reader.position + count * leastBytes, reader.size);
  }
  return count;
}

function readString(reader: HeaderReader): string {
  return reader.bytes(readCount(reader, 1)).toString("utf8");
}

const exact = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;

const READ_VALUE: Record<Exclude<GgufValueType, "array">, (reader: HeaderReader) => GgufValue> = {
  u8: (reader) => reader.bytes(1).readUInt8(),
  i8: (reader) => reader.bytes(1).readInt8(),
  u16: (reader) => reader.bytes(2).readUInt16LE(),
  i16: (reader) => reader.bytes(2).readInt16LE(),
  u32: (reader) => reader.u32(),
  i32: (reader) => reader.bytes(4).readInt32LE(),
  f32: (reader) => reader.bytes(4).readFloatLE(),
  bool: (reader) => reader.bytes(1).readUInt8() !== 0,
  string: readString,
  u64: (reader) => exact(reader.u64()),
  i64: (reader) => exact(reader.bytes(8).readBigInt64LE()),
  f64: (reader) => reader.bytes(8).readDoubleLE(),
};

function readValueType(reader: HeaderReader, key: string): GgufValueType {
  const id = reader.u32();
  const type = GGUF_VALUE_TYPES[id];
  if (type === undefined) throw invalid(reader.path, `metadata ${key} has the unknown value type ${id}`);
  return type;
}

function readValue(reader: HeaderReader, type: GgufValueType, key: string): GgufValue {
  if (type !== "array") return READ_VALUE[type](reader);
  const elementType = readValueType(reader, key);
  if (elementType === "array") throw invalid(reader.path, `metadata ${key} is an array of arrays`);
  const count = readCount(reader, LEAST_BYTES[elementType]);
  const read = READ_VALUE[elementType];
  return Array.from({ length: count }, () => read(reader));
}

function readMetadata(reader: HeaderReader, count: number): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < count; i++) {
    const key = readString(reader);
    if (metadata.has(key)) throw invalid(reader.path, `metadata ${key} stands twice in the header`);
    metadata.set(key, readValue(reader, readValueType(reader, key), key));
  }
  return metadata;
}

interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly byteLength: number;
}

function readTensorInfo(reader: HeaderReader, alignment: number): TensorInfo {
  const name = readString(reader);
  const dimensions = reader.u32();
  if (dimensions > MAX_DIMENSIONS) {
    throw invalid(
      reader.path,
      `tensor ${name} has ${dimensions} dimensions; at most ${MAX_DIMENSIONS} are allowed`,
    );
  }
  const shape = Array.from({ length: dimensions }, () => Number(reader.u64())).reverse();
  const typeId = reader.u32();
  const dtype = GGML_TYPES.get(typeId);
  if (dtype === undefined) {
    throw new IBertError(
      "gguf-type",
      `${reader.path}: tensor ${name} has the ggml type ${typeId}, which is not read`,
      {
        hint: `Use a file quantised as one of ${[...GGML_TYPES.values()].join(", ")}.`,
      },
    );
  }
  const offset = Number(reader.u64());
  const byteLength = tensorBytes(dtype, shape);
  if (Number.isNaN(elementCount(shape)) || Number.isNaN(byteLength)) {
    const { blockElements } = DTYPES[dtype];
    const rule = blockElements > 1 ? ` (a row of ${dtype} holds whole blocks of ${blockElements})` : "";
    throw invalid(reader.path, `tensor ${name} has the impossible shape ${formatShape(shape)}${rule}`);
  }
  if (offset % alignment !== 0) {
    throw invalid(reader.path, `tensor ${name} lies at ${offset}, no multiple of the alignment ${alignment}`);
  }
  return { name, dtype, shape, offset, byteLength };
}

function readAlignment(path: string, metadata: ReadonlyMap<string, GgufValue>): number {
  const value = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 8 || value % 8 !== 0) {
    throw invalid(path, `general.alignment is ${String(value)}; it must be a positive multiple of 8`);
  }
  return value;
}

/** Places the tensors behind the header and checks that each lies in the file and on no other. */
function placeTensors(reader: HeaderReader, infos: TensorInfo[], dataStart: number): Map<string, GgufTensor> {
  const { path, size } = reader;
  const tensors = new Map<string, GgufTensor>();
  let end = 0;
  let previous = "";
  for (const { name, dtype, shape, offset, byteLength } of infos.toSorted((a, b) => a.offset - b.offset)) {
    const byteOffset = dataStart + offset;
    if (!(byteOffset + byteLength <= size)) {
      throw new IBertError(
        "file-truncated",
        `${path}: the file is truncated: tensor ${name} ends at byte ${byteOffset + byteLength}, the file has ${size}`,
        { hint: "Fetch or copy the file again; an interrupted download leaves such a file." },
      );
    }
    if (offset < end) throw invalid(path, `tensor ${name} overlaps tensor ${previous}`);
    if (tensors.has(name)) throw invalid(path, `tensor ${name} stands twice in the header`);
    end = offset + byteLength;
    previous = name;
    tensors.set(name, { name, dtype, shape, path, byteOffset, byteLength });
  }
  return tensors;
}

let latest: { path: string; state: string; file: WeakRef<Gguf> } | undefined;

/** What changes when one of the files does. */
const stateOf = (paths: readonly string[]): string =>
  paths
    .map((path) => statSync(path, { throwIfNoEntry: false }))
    .map((stat) => `${stat?.size} ${stat?.mtimeMs}`)
    .join(", ");

/**
 * Opens a GGUF file (version 2 or 3, little-endian); of a split model all parts, by the name of any. What was opened last is
 * not read again while its header is still in use and no file has changed: weights and tokenizer stand in one.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 * @throws IBertError `file-missing`, `file-truncated`, `gguf-invalid`, `gguf-split`, `gguf-type` naming the file and the key or tensor.
 */
export function openGguf(path: string): Gguf {
  const known = latest?.file.deref();
  if (known !== undefined && latest?.path === path && latest.state === stateOf(known.parts)) return known;
  const named = readHeader(path);
  const count = partCount(named.metadata);
  const parts = count === 1 ? [path] : partPaths(path, count);
  const { tensors, ...header } =
    count === 1 ? named : joinParts(parts.map((part) => (part === path ? named : readHeader(part))));
  const file: Gguf = {
    ...header,
    tensors,
    parts,
    async read(name, target) {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw new IBertError("tensor-missing", `${path}: there is no tensor ${name}`);
      return readRange(tensor, target);
    },
  };
  latest = { path, state: stateOf(parts), file: new WeakRef(file) };
  return file;
}

function readHeader(path: string): GgufPart {
  const reader = new HeaderReader(path);
  try {
    const magic = reader.u32();
    if (magic !== GGUF_MAGIC) {
      throw invalid(path, `the file starts with ${JSON.stringify(asText(magic))} instead of "GGUF"`);
    }
    const version = reader.u32();
    if (version !== 2 && version !== 3) {
      const bigEndian = version !== 0 && (version & 0xffff) === 0;
      throw invalid(path, bigEndian ? "the file is big-endian" : `GGUF version ${version} is not read`);
    }
    // A tensor's entry takes at least 24 bytes (empty name, no dimensions), a metadata entry at least 13.
    const tensorCount = readCount(reader, 24);
    const metadata = readMetadata(reader, readCount(reader, 13));
    const alignment = readAlignment(path, metadata);
    const infos = Array.from({ length: tensorCount }, () => readTensorInfo(reader, alignment));
    const dataStart = Math.ceil(reader.position / alignment) * alignment;
    const tensors = placeTensors(reader, infos, dataStart);
    return { path, version, alignment, metadata, tensors };
  } finally {
    reader.close();
  }
}

function asText(magic: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(magic);
  return bytes.toString("latin1");
}
