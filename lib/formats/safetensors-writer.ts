import { IBertError } from "../errors.js";
import { writeFileAtomic, type AtomicOptions } from "./atomic.js";
import { DTYPES, formatShape, tensorBytes, type DType } from "./dtypes.js";

export interface TensorToWrite {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Row-major, little-endian: exactly the bytes of the shape. */
  readonly data: ArrayBufferView;
}

/** A tensor that is made, piece by piece, when its turn to be written comes. */
export interface StreamedTensor extends Omit<TensorToWrite, "data"> {
  readonly data: () => AsyncIterable<Uint8Array>;
}

/**
 * Writes a safetensors file atomically. Tensors lie by falling element size, then by name, as the reference writer lays
 * them, so that every one is aligned and the same tensors give the same bytes.
 * @throws IBertError `tensor-size` naming the tensor; `disk-full`, `write-failed` naming the path.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorToWrite | StreamedTensor>,
  { metadata, ...options }: AtomicOptions & { metadata?: Record<string, string> } = {},
): Promise<void> {
  const ordered = [...tensors].sort(
    ([nameA, a], [nameB, b]) =>
      DTYPES[b.dtype].blockBytes - DTYPES[a.dtype].blockBytes || (nameA < nameB ? -1 : 1),
  );
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata };
  let position = 0;
  for (const [name, { dtype, shape, data }] of ordered) {
    const bytes = tensorBytes(dtype, shape);
    if (typeof data !== "function" && data.byteLength !== bytes) {
      throw wrongSize(path, name, { dtype, shape }, data.byteLength);
    }
    header[name] = { dtype, shape, data_offsets: [position, position + bytes] };
    position += bytes;
  }
  await writeFileAtomic(path, layOut(path, header, ordered), options);
}

function wrongSize(
  path: string,
  name: string,
  { dtype, shape }: Pick<TensorToWrite, "dtype" | "shape">,
  bytes: number,
): IBertError {
  return new IBertError(
    "tensor-size",
    `${path}: tensor ${name} is ${dtype} ${formatShape(shape)}, but its data has ${bytes} bytes`,
  );
}

async function* layOut(
  path: string,
  header: Record<string, unknown>,
  tensors: (readonly [string, TensorToWrite | StreamedTensor])[],
): AsyncGenerator<Uint8Array> {
  const json = Buffer.from(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const head = Buffer.alloc(8 + padded, " ");
  head.writeBigUInt64LE(BigInt(padded));
  json.copy(head, 8);
  yield head;
  for (const [name, { data, ...tensor }] of tensors) {
    if (typeof data !== "function") {
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      continue;
    }
    let bytes = 0;
    for await (const chunk of data()) {
      bytes += chunk.byteLength;
      yield chunk;
    }
    if (bytes !== tensorBytes(tensor.dtype, tensor.shape)) throw wrongSize(path, name, tensor, bytes);
  }
}
