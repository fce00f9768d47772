import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { open } from "node:fs/promises";

import { IBertError } from "../errors.js";
import { describeSystemError } from "./system-error.js";

/** Where the bytes of one tensor lie: enough for the native layer to map them. Offsets count from the file's start. */
export interface ByteRange {
  readonly path: string;
  readonly byteOffset: number;
  readonly byteLength: number;
}

export function truncated(path: string, needed: number, size: number): IBertError {
  return new IBertError(
    "file-truncated",
    `${path}: the file is truncated: it needs ${needed} bytes and has ${size}`,
    {
      hint: "Fetch or copy the file again; an interrupted download leaves such a file.",
    },
  );
}

/**
 * Reads one range of a file, whole or not at all.
 * @param target where the bytes go; a new array by default. Its length must be `range.byteLength`.
 * @throws IBertError `file-truncated` where the file ends before the range does.
 */
export async function readRange(
  range: ByteRange,
  target: Uint8Array = new Uint8Array(range.byteLength),
): Promise<Uint8Array> {
  if (target.byteLength !== range.byteLength) {
    throw new IBertError(
      "buffer-size",
      `${range.path}: a buffer of ${target.byteLength} bytes was given for a range of ${range.byteLength}`,
    );
  }
  const handle = await open(range.path, "r").catch((error: unknown) => {
    throw describeSystemError(error, "read", range.path);
  });
  try {
    let done = 0;
    while (done < target.byteLength) {
      const { bytesRead } = await handle.read(
        target,
        done,
        Math.min(target.byteLength - done, 1 << 30),
        range.byteOffset + done,
      );
      if (bytesRead === 0) {
        throw truncated(range.path, range.byteOffset + range.byteLength, range.byteOffset + done);
      }
      done += bytesRead;
    }
    return target;
  } finally {
    await handle.close();
  }
}

/** Bytes that a `HeaderReader` fetches at a time. */
const WINDOW_BYTES = 1 << 20;

/** Reads a little-endian header from the start of a file through a sliding window, each step checked against the size. */
export class HeaderReader {
  readonly path: string;
  readonly size: number;
  position = 0;
  readonly #descriptor: number;
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;

  constructor(path: string) {
    this.path = path;
    try {
      this.#descriptor = openSync(path, "r");
    } catch (error) {
      throw describeSystemError(error, "read", path);
    }
    const stats = fstatSync(this.#descriptor);
    if (!stats.isFile()) {
      closeSync(this.#descriptor);
      throw new IBertError("not-a-file", `${path}: this is not a file`);
    }
    this.size = stats.size;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  get remaining(): number {
    return this.size - this.position;
  }

  /** The next `length` bytes; valid until the next call. */
  bytes(length: number): Buffer {
    if (length > this.remaining) throw truncated(this.path, this.position + length, this.size);
    const start = this.position - this.#windowStart;
    this.position += length;
    if (start + length <= this.#window.length) return this.#window.subarray(start, start + length);
    this.#windowStart = this.position - length;
    this.#window = this.#fill(Math.min(Math.max(length, WINDOW_BYTES), this.size - this.#windowStart));
    return this.#window.subarray(0, length);
  }

  #fill(length: number): Buffer {
    const window = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const read = readSync(this.#descriptor, window, done, length - done, this.#windowStart + done);
      if (read === 0) throw truncated(this.path, this.#windowStart + length, this.#windowStart + done);
      done += read;
    }
    return window;
  }

  u32(): number {
    return this.bytes(4).readUInt32LE();
  }

  u64(): bigint {
    return this.bytes(8).readBigUInt64LE();
  }
}

/** The bytes of a small range at once, for what decides how a file is read. */
export function readRangeSync({ path, byteOffset, byteLength }: ByteRange): Buffer {
  const descriptor = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(byteLength);
    const read = readSync(descriptor, bytes, 0, byteLength, byteOffset);
    if (read < byteLength) throw truncated(path, byteOffset + byteLength, byteOffset + read);
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}
