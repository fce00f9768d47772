import { IBertError } from "../errors.js";
import { writeFileAtomic, type AtomicOptions } from "./atomic.js";
import { DTYPES, formatShape, tensorBytes, type DType } from "./dtypes.js";

export interface TensorToWrite {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Row-major, little-endian: exactly the bytes of the shape. */
  readonly data: ArrayBufferView;
}

/**
 * Writes a safetensors file atomically. Tensors lie by falling element size, then by name, as the reference writer lays
 * them, so that every one is aligned and the same tensors give the same bytes.
 * @throws IBertError `tensor-size` naming the tensor; `disk-full`, `write-failed` naming the path.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorToWrite>,
  { metadata, ...options }: AtomicOptions & { metadata?: Record<string, string> } = {},
): Promise<void> {
  const ordered = [...tensors].sort(
    ([nameA, a], [nameB, b]) =>
      DTYPES[b.dtype].blockBytes - DTYPES[a.dtype].blockBytes || (nameA < nameB ? -1 : 1),
  );
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata };
  let position = 0;
  for (const [name, { dtype, shape, data }] of ordered) {
    if (tensorBytes(dtype, shape) !== data.byteLength) {
      throw new IBertError(
        "tensor-size",
        `${path}: tensor ${name} is ${dtype} ${formatShape(shape)}, but its data has ${data.byteLength} bytes`,
      );
    }
    header[name] = { dtype, shape, data_offsets: [position, position + data.byteLength] };
    position += data.byteLength;
  }
  await writeFileAtomic(path, layOut(header, ordered), options);
}

function* layOut(
  header: Record<string, unknown>,
  tensors: (readonly [string, TensorToWrite])[],
): Generator<Uint8Array> {
  const json = Buffer.from(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const head = Buffer.alloc(8 + padded, " ");
  head.writeBigUInt64LE(BigInt(padded));
  json.copy(head, 8);
  yield head;
  for (const [, { data }] of tensors) yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
