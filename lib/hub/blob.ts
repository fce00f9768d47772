/** One file of the hub into one blob of the cache: continued where it was cut, and checked by its hash. */
import { createHash, type Hash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";

import { IBertError } from "../errors.js";
import { describeSystemError } from "../formats/system-error.js";
import { PassingFailure, reasonOf, type HubAccess } from "./access.js";
import type { HubFile } from "./listing.js";

/** The part of an open file that is written to. */
interface PartFile {
  write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface BlobOptions {
  /** Bytes that are here now that were not before; negative where some turned out to be of no use. */
  onBytes?: (bytes: number) => void;
  /**
   * Opens the file that grows; a test gives one of a full disk.
   * @internal
   */
  openPart?: (path: string) => Promise<PartFile>;
}

/** For reading and writing, made where it is not there. */
const openPart = (path: string): Promise<PartFile> => open(path, existsSync(path) ? "r+" : "w+");

/** Git hashes a file with its length before it; large files are stored by SHA-256 of their bytes alone. */
function newHash({ hash, size }: HubFile): Hash {
  return hash.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

/**
 * Fetches a file to `blob`, which is there afterwards, whole and of the right hash. Until then its bytes gather beside it, and
 * stay there where anything ends this.
 * @param address below the endpoint
 * @throws IBertError `download-failed`, `hub-refused`, `hash-mismatch`, `disk-full`, `write-failed`.
 */
export async function fetchBlob(
  access: HubAccess,
  address: string,
  file: HubFile,
  blob: string,
  options: BlobOptions = {},
): Promise<void> {
  const what = `${access.repository}/${file.path}`;
  const part = `${blob}.ibert-part`;
  try {
    await mkdir(dirname(blob), { recursive: true });
    const growing = new GrowingFile(access, address, file, part, what, options);
    // Bytes of an earlier run may be at fault, so that those are tried without.
    const isRight = (await growing.fill()) || (growing.wasContinued && (await growing.fill()));
    if (!isRight) {
      throw new IBertError(
        "hash-mismatch",
        `${what}: what was fetched has another hash than the hub names, ${file.hash}`,
        {
          hint: "The download was changed on its way, by a proxy or a mirror; nothing of this file was kept, and what else came stays. Run this again.",
        },
      );
    }
    await rename(part, blob).catch((error: unknown) => {
      // Another process took the lock for dead, while this one slept, and has brought the blob.
      if (!existsSync(blob)) throw error;
    });
  } catch (error) {
    throw describeSystemError(error, "write", blob);
  }
}

class GrowingFile {
  wasContinued = false;
  #length = 0;
  #hash: Hash;

  constructor(
    private readonly access: HubAccess,
    private readonly address: string,
    private readonly file: HubFile,
    private readonly part: string,
    private readonly what: string,
    private readonly options: BlobOptions,
  ) {
    this.#hash = newHash(file);
  }

  /** Brings the part to its full length; false, and the part is gone, where its hash is wrong then. */
  async fill(): Promise<boolean> {
    this.#hash = newHash(this.file);
    this.#length = 0;
    this.wasContinued = await this.#readPart();
    const handle = await (this.options.openPart ?? openPart)(this.part);
    try {
      await handle.truncate(this.#length);
      await this.access.repeat(
        this.what,
        () => this.#fetchRest(handle),
        () => this.#length,
      );
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (this.#hash.digest("hex") === this.file.hash) return true;
    this.options.onBytes?.(-this.#length);
    await rm(this.part, { force: true });
    return false;
  }

  /** Takes over what an earlier run left. */
  async #readPart(): Promise<boolean> {
    const there = await stat(this.part).catch(() => undefined);
    if (there === undefined || there.size === 0 || there.size > this.file.size) return false;
    for await (const chunk of createReadStream(this.part, { highWaterMark: 1 << 20 }))
      this.#take(chunk as Buffer);
    return true;
  }

  #take(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#length += chunk.byteLength;
    this.options.onBytes?.(chunk.byteLength);
  }

  async #restart(handle: PartFile): Promise<void> {
    this.options.onBytes?.(-this.#length);
    this.#length = 0;
    this.#hash = newHash(this.file);
    await handle.truncate(0);
  }

  async #fetchRest(handle: PartFile): Promise<void> {
    const { size } = this.file;
    if (this.#length === size) return;
    const range = this.#length === 0 ? {} : { range: `bytes=${this.#length}-` };
    const { response, alive, stop } = await this.access.request(this.address, this.what, range);
    try {
      const start = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
      // A server that knows no ranges sends the whole.
      if (response.status !== 206) await this.#restart(handle);
      else if (Number(start) !== this.#length)
        throw new PassingFailure(`bytes from ${this.#length} on were asked for, and others came`);
      const reader = (response.body as ReadableStream<Uint8Array> | null)?.getReader();
      for (;;) {
        const { done, value } = await read(reader);
        if (done) break;
        alive();
        if (this.#length + value.byteLength > size) {
          await reader?.cancel();
          await this.#restart(handle);
          throw new PassingFailure(`more than the ${size} bytes came that the hub names`);
        }
        await writeWhole(handle, value, this.#length);
        this.#take(value);
      }
      if (this.#length < size)
        throw new PassingFailure(`the connection ended after ${this.#length} of ${size} bytes`);
    } finally {
      stop();
    }
  }
}

type Piece = { done: true; value?: undefined } | { done: false; value: Uint8Array };

async function read(reader: ReadableStreamDefaultReader<Uint8Array> | undefined): Promise<Piece> {
  try {
    return ((await reader?.read()) as Piece | undefined) ?? { done: true };
  } catch (error) {
    throw new PassingFailure(reasonOf(error), undefined, { cause: error });
  }
}

async function writeWhole(handle: PartFile, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, position + done);
    if (bytesWritten === 0)
      throw Object.assign(new Error("the system took no more bytes"), { code: "ENOSPC" });
    done += bytesWritten;
  }
}
