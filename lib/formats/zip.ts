import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { PassThrough } from "node:stream";
// As a whole, so that an older Node, which lacks crc32, comes as far as saying so (runtime/require-node.ts).
import * as zlib from "node:zlib";

import { IBertError } from "../errors.js";
import { readRange } from "./file.js";
import { describeSystemError } from "./system-error.js";

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const LOCAL_HEADER = 0x04034b50;
const STORED = 0;
const DEFLATED = 8;
/** The end record and the longest comment that may follow it. */
const END_RECORD_BYTES = 22 + 0xffff;

interface ZipMember {
  readonly method: number;
  readonly crc: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly headerOffset: number;
}

function invalid(path: string, message: string): IBertError {
  return new IBertError("zip-invalid", `${path}: ${message}`, {
    hint: "The archive is damaged; delete it so that it is fetched again.",
  });
}

async function fileSize(path: string): Promise<number> {
  try {
    const handle = await open(path, "r");
    try {
      return (await handle.stat()).size;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw describeSystemError(error, "read", path);
  }
}

async function readSlice(path: string, byteOffset: number, byteLength: number): Promise<Buffer> {
  return Buffer.from((await readRange({ path, byteOffset, byteLength })).buffer);
}

/** The members of an archive by name (ZIP appnote 4.3; no ZIP64, no encryption). */
async function readDirectory(path: string): Promise<Map<string, ZipMember>> {
  const size = await fileSize(path);
  const tailBytes = Math.min(size, END_RECORD_BYTES);
  const tail = await readSlice(path, size - tailBytes, tailBytes);
  let end = tail.length - 22;
  while (end >= 0 && tail.readUInt32LE(end) !== END_OF_DIRECTORY) end--;
  if (end < 0) throw invalid(path, "no ZIP directory is found at the end of the file");
  const count = tail.readUInt16LE(end + 10);
  const length = tail.readUInt32LE(end + 12);
  const start = tail.readUInt32LE(end + 16);
  if (count === 0xffff || start === 0xffffffff) throw invalid(path, "ZIP64 archives are not read");
  if (start + length > size) throw invalid(path, "the ZIP directory lies outside of the file");
  const directory = await readSlice(path, start, length);
  const members = new Map<string, ZipMember>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > length || directory.readUInt32LE(at) !== DIRECTORY_ENTRY) {
      throw invalid(path, `entry ${i} of the ZIP directory is broken`);
    }
    const nameLength = directory.readUInt16LE(at + 28);
    members.set(directory.toString("utf8", at + 46, at + 46 + nameLength), {
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
      compressedBytes: directory.readUInt32LE(at + 20),
      bytes: directory.readUInt32LE(at + 24),
      headerOffset: directory.readUInt32LE(at + 42),
    });
    at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return members;
}

/** The names of an archive's members. @throws IBertError `zip-invalid` */
export async function zipMemberNames(path: string): Promise<string[]> {
  return [...(await readDirectory(path)).keys()];
}

/**
 * The content of one member of a ZIP archive, as chunks; the last is followed by the check of its size and CRC-32, so
 * that a consumer which reads to the end has the true bytes.
 * @throws IBertError `zip-invalid` naming the archive and the member.
 */
export async function* readZipMember(path: string, name: string): AsyncGenerator<Uint8Array> {
  const member = (await readDirectory(path)).get(name);
  if (member === undefined) throw invalid(path, `the archive has no member ${name}`);
  if (member.method !== STORED && member.method !== DEFLATED) {
    throw invalid(path, `${name} is compressed with method ${member.method}; only deflate is read`);
  }
  const header = await readSlice(path, member.headerOffset, 30);
  if (header.readUInt32LE() !== LOCAL_HEADER) throw invalid(path, `the header of ${name} is broken`);
  const start = member.headerOffset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  const decoder =
    member.method === DEFLATED ? zlib.createInflateRaw({ chunkSize: 1 << 18 }) : new PassThrough();
  const source = createReadStream(path, {
    start,
    end: start + member.compressedBytes - 1,
    highWaterMark: 1 << 18,
  });
  // An error reaches the consumer through the decoder, which the pipeline destroys with it.
  const pumping = pipeline(source, decoder).catch(() => undefined);
  let crc = 0;
  let bytes = 0;
  try {
    for await (const chunk of decoder as AsyncIterable<Buffer>) {
      crc = zlib.crc32(chunk, crc);
      bytes += chunk.length;
      if (bytes > member.bytes) break;
      yield chunk;
    }
  } catch (error) {
    throw invalid(
      path,
      `${name} cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  await pumping;
  if (bytes !== member.bytes || crc !== member.crc) throw invalid(path, `${name} fails its checksum`);
}
