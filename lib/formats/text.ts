/** Text that people feed: one place decides what counts as UTF-8 and says what is wrong with what does not. */
import { constants, isUtf8 } from "node:buffer";
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";

import { IBertError } from "../errors.js";
import { describeSystemError } from "./system-error.js";

/** First bytes of what is no text, though it may hold one. */
const OTHER_KINDS: readonly (readonly [bytes: readonly (number | null)[], kind: string, hint: string])[] = [
  [[0x1f, 0x8b], "compressed with gzip", "Unpack it first: gunzip FILE"],
  [[0x28, 0xb5, 0x2f, 0xfd], "compressed with zstd", "Unpack it first: zstd -d FILE"],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], "compressed with xz", "Unpack it first: unxz FILE"],
  [[0x42, 0x5a, 0x68, null, 0x31, 0x41, 0x59], "compressed with bzip2", "Unpack it first: bunzip2 FILE"],
  [[0x50, 0x4b, 0x03, 0x04], "a ZIP archive", "Unpack it first: unzip FILE"],
  [[0x50, 0x41, 0x52, 0x31, 0x15], "a Parquet file", "Write its rows as lines of JSON."],
];

const SAVE_AS_UTF8 = "Save the file as UTF-8, for example: iconv -f utf-16 -t utf-8 FILE";

/**
 * Refuses what is no UTF-8 text from its first bytes on: another encoding, or a compressed file.
 * @param start the first bytes of the file; a few hundred suffice
 * @throws IBertError `text-encoding`
 */
export function requireTextKind(start: Uint8Array, path: string): void {
  for (const [bytes, kind, hint] of OTHER_KINDS) {
    if (bytes.every((byte, i) => byte === null || start[i] === byte)) {
      throw new IBertError("text-encoding", `${path}: the file is ${kind}, not text`, { hint });
    }
  }
  const [a, b, c, d] = start;
  const utf32 =
    (a === 0xff && b === 0xfe && c === 0 && d === 0) || (a === 0 && b === 0 && c === 0xfe && d === 0xff);
  const marked = (a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff);
  // Without a mark, ASCII in UTF-16 has a zero in every other byte.
  const zeros = (from: number): boolean => start.length >= 4 && start[from] === 0 && start[from + 2] === 0;
  if (utf32 || marked || zeros(0) || zeros(1)) {
    const encoding = utf32 ? "UTF-32" : "UTF-16";
    throw new IBertError("text-encoding", `${path}: the file is ${encoding}, not UTF-8`, {
      hint: utf32 ? SAVE_AS_UTF8.replace("utf-16", "utf-32") : SAVE_AS_UTF8,
    });
  }
}

/** Where the first byte lies that is no UTF-8; -1 where all is. */
export function utf8Fault(bytes: Uint8Array): number {
  if (isUtf8(bytes)) return -1;
  // What cannot be decoded comes back as other bytes.
  const again = Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  let fault = bytes.findIndex((byte, i) => byte !== again[i]);
  if (fault < 0) fault = bytes.length;
  // Within a sequence that breaks off, its first byte is the one to name.
  while (fault > 0 && ((again[fault] ?? 0) & 0xc0) === 0x80) fault--;
  return fault;
}

/** The error for a byte that is no UTF-8. `offset` counts from the start of the file, `column` from the line's, in bytes from 1. */
export function notUtf8(where: string, byte: number, offset: number, column: number): IBertError {
  const hex = `0x${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  return new IBertError(
    "text-encoding",
    `${where}: byte ${offset} of the file (byte ${column} of the line) is ${hex}, which is no UTF-8 here`,
    { hint: "Save the file as UTF-8, for example: iconv -f latin1 -t utf-8 FILE" },
  );
}

const MARK = "\ufeff";

/** A text without the byte order mark that some editors put before it. */
export const withoutMark = (text: string): string => (text.startsWith(MARK) ? text.slice(1) : text);

/**
 * Bytes as text: UTF-8, a byte order mark read over.
 * @param path names them in errors
 * @throws IBertError `text-encoding` naming the line and the byte that is no UTF-8
 */
export function decodeText(bytes: Uint8Array, path: string): string {
  requireTextKind(bytes.subarray(0, 64), path);
  const fault = utf8Fault(bytes);
  if (fault >= 0) {
    let line = 1;
    let start = 0;
    for (let at = bytes.indexOf(10); at >= 0 && at < fault; at = bytes.indexOf(10, at + 1)) {
      line++;
      start = at + 1;
    }
    throw notUtf8(`${path}:${line}`, bytes[fault] ?? 0, fault, fault - start + 1);
  }
  return withoutMark(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
}

/** Opens a file for reading, and refuses what is no file. The descriptor is the caller's to close. */
export function openFile(path: string): { descriptor: number; size: number } {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    throw describeSystemError(error, "read", path);
  }
  const stats = fstatSync(descriptor);
  if (stats.isDirectory()) {
    closeSync(descriptor);
    throw new IBertError("not-a-file", `${path}: this is a folder, not a file`, {
      hint: "Name a file in it.",
    });
  }
  return { descriptor, size: stats.size };
}

/**
 * A whole text file.
 * @throws IBertError `file-missing`, `read-failed`, `not-a-file`, `file-too-large`, `text-encoding`, each naming the file
 */
export function readText(path: string): string {
  const { descriptor, size } = openFile(path);
  try {
    if (size > constants.MAX_STRING_LENGTH) {
      throw new IBertError("file-too-large", `${path}: ${size} bytes are too many for one text`, {
        hint: `The most is ${constants.MAX_STRING_LENGTH} bytes.`,
      });
    }
    return decodeText(readFileSync(descriptor), path);
  } catch (error) {
    throw describeSystemError(error, "read", path);
  } finally {
    closeSync(descriptor);
  }
}
