/**
 * A file of JSON lines, of any size: it is read once from end to end, each row checked, and then row by row where they
 * are asked for. What stays in memory is some 20 bytes a row.
 */
import { createHash } from "node:crypto";
import { closeSync, read as readCallback, readSync } from "node:fs";
import { promisify } from "node:util";
// As a whole, so that an older Node, which lacks crc32, comes as far as saying so (runtime/require-node.ts).
import * as zlib from "node:zlib";

import { IBertError } from "../errors.js";
import { findJsonFault } from "../formats/json.js";
import { describeSystemError } from "../formats/system-error.js";
import { notUtf8, openFile, requireTextKind, utf8Fault, withoutMark } from "../formats/text.js";
import { hash53 } from "./random.js";
import { parseTaskType, rowShape, type Row, type Rows } from "./tasks.js";

const read = promisify(readCallback);

/** Bytes read at a time. */
const CHUNK_BYTES = 1 << 20;
/** A longer line is no row: the longest context of any model is a small part of it. */
const MAX_LINE_BYTES = 64 * 2 ** 20;

export interface RowFileOptions {
  onProgress?: ((readBytes: number, totalBytes: number) => void) | undefined;
}

/** Where each row lies, and a checksum of its line. */
interface RowIndex {
  offsets: Float64Array;
  bytes: Uint32Array;
  lines: Uint32Array;
  checksums: Uint32Array;
}

/** The rows of one file, in its order. Holds the file open until `close`, so that a file put in its place is no matter. */
export class RowFile implements Rows {
  private constructor(
    readonly path: string,
    private readonly descriptor: number,
    private readonly index: RowIndex,
    /** Of the whole file. */
    readonly sha256: string,
  ) {}

  /**
   * Reads and checks all rows. Blank lines are passed over.
   * @throws IBertError `corpus-missing`, `corpus-empty`, `text-encoding`, `row-json`, `row-shape`, `task-unknown`,
   * `row-unsupervised`, `row-duplicate`, each naming file and line; `read-failed` and its like as the system says.
   */
  static async open(path: string, options: RowFileOptions = {}): Promise<RowFile> {
    const { descriptor, size } = openCorpusFile(path);
    try {
      const hash = createHash("sha256");
      const found = {
        offsets: [] as number[],
        bytes: [] as number[],
        lines: [] as number[],
        checksums: [] as number[],
        ids: [] as number[],
      };
      for await (const { bytes, offset, number } of readLines(path, descriptor, (chunk, done) => {
        hash.update(chunk);
        options.onProgress?.(done, size);
      })) {
        const text = decodeLine(bytes, path, number, offset);
        if (text.trim() === "") continue;
        const row = parseRow(text, `${path}:${number}`);
        found.offsets.push(offset);
        found.bytes.push(bytes.length);
        found.lines.push(number);
        found.checksums.push(zlib.crc32(bytes));
        found.ids.push(hash53(row.id));
      }
      if (found.offsets.length === 0) {
        throw new IBertError("corpus-empty", `${path}: the corpus is empty`, {
          hint: "Build it again: npx ibert data build",
        });
      }
      const index: RowIndex = {
        offsets: Float64Array.from(found.offsets),
        bytes: Uint32Array.from(found.bytes),
        lines: Uint32Array.from(found.lines),
        checksums: Uint32Array.from(found.checksums),
      };
      const file = new RowFile(path, descriptor, index, hash.digest("hex"));
      file.requireUniqueIds(Float64Array.from(found.ids));
      return file;
    } catch (error) {
      closeSync(descriptor);
      throw describeSystemError(error, "read", path);
    }
  }

  get length(): number {
    return this.index.offsets.length;
  }

  where(row: number): string {
    return `${this.path}:${this.index.lines[row]}`;
  }

  /** Row `row`, counted from 0. @throws IBertError `corpus-changed` when its line is no longer what was checked. */
  at(row: number): Row {
    const { offsets, bytes, checksums } = this.index;
    const line = Buffer.allocUnsafe(bytes[row] as number);
    let done = 0;
    try {
      while (done < line.length) {
        const more = readSync(
          this.descriptor,
          line,
          done,
          line.length - done,
          (offsets[row] as number) + done,
        );
        if (more === 0) break;
        done += more;
      }
    } catch (error) {
      throw describeSystemError(error, "read", this.path);
    }
    if (done < line.length || zlib.crc32(line) !== checksums[row]) {
      throw new IBertError("corpus-changed", `${this.where(row)}: the file was changed while it was in use`, {
        hint: "Leave a corpus alone while it is read; start again with the file as it is now.",
      });
    }
    return JSON.parse(withoutMark(line.toString("utf8"))) as Row;
  }

  *[Symbol.iterator](): Generator<Row> {
    for (let row = 0; row < this.length; row++) yield this.at(row);
  }

  close(): void {
    closeSync(this.descriptor);
  }

  /** Equal ids have equal hashes, so only rows whose hashes meet are looked at again. */
  private requireUniqueIds(hashes: Float64Array): void {
    const sorted = hashes.slice().sort();
    const repeated = new Set(sorted.filter((hash, i) => hash === sorted[i + 1]));
    if (repeated.size === 0) return;
    const first = new Map<string, number>();
    for (const [row, hash] of hashes.entries()) {
      if (!repeated.has(hash)) continue;
      const { id } = this.at(row);
      const before = first.get(id);
      if (before !== undefined) {
        throw new IBertError(
          "row-duplicate",
          `${this.where(before)} and ${this.where(row)}: both rows have the id ${JSON.stringify(id)}`,
          { hint: "An id stands for one row; give each row of a file an id of its own." },
        );
      }
      first.set(id, row);
    }
  }
}

function openCorpusFile(path: string): ReturnType<typeof openFile> {
  try {
    return openFile(path);
  } catch (error) {
    if (!(error instanceof IBertError) || error.code !== "file-missing") throw error;
    throw new IBertError("corpus-missing", `${path}: there is no such file`, {
      hint: "Build a corpus: npx ibert data build",
      cause: error,
    });
  }
}

interface Line {
  /** Without the line feed; valid until the next line. */
  bytes: Buffer;
  /** Of its first byte in the file. */
  offset: number;
  /** From 1. */
  number: number;
}

async function* readLines(
  path: string,
  descriptor: number,
  onChunk: (chunk: Buffer, done: number) => void,
): AsyncGenerator<Line> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let rest: Buffer[] = [];
  let restBytes = 0;
  let position = 0;
  let number = 1;
  for (;;) {
    const { bytesRead } = await read(descriptor, buffer, 0, CHUNK_BYTES, position);
    const chunk = buffer.subarray(0, bytesRead);
    if (position === 0) requireTextKind(chunk.subarray(0, 64), path);
    onChunk(chunk, position + bytesRead);
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const own = chunk.subarray(start, end);
      const bytes = restBytes === 0 ? own : Buffer.concat([...rest, own]);
      yield { bytes, offset: position + start - restBytes, number: number++ };
      rest = [];
      restBytes = 0;
      start = end + 1;
    }
    if (start < bytesRead) {
      rest.push(Buffer.from(chunk.subarray(start)));
      restBytes += bytesRead - start;
      if (restBytes > MAX_LINE_BYTES) {
        throw new IBertError(
          "row-too-large",
          `${path}:${number}: the line has more than ${MAX_LINE_BYTES >> 20} MiB`,
          { hint: "A row is one line of JSON; a file that is one array of rows has to be written as lines." },
        );
      }
    }
    position += bytesRead;
    if (bytesRead === 0) break;
  }
  if (restBytes > 0) yield { bytes: Buffer.concat(rest), offset: position - restBytes, number };
}

function decodeLine(bytes: Buffer, path: string, number: number, offset: number): string {
  const fault = utf8Fault(bytes);
  if (fault >= 0) throw notUtf8(`${path}:${number}`, bytes[fault] ?? 0, offset + fault, fault + 1);
  // A mark stands at the start of a file, or where files were joined.
  return withoutMark(bytes.toString("utf8"));
}

/** One line of a corpus file. `where` is `file:line`. */
function parseRow(line: string, where: string): Row {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    const { at, reason } = findJsonFault(line);
    throw new IBertError("row-json", `${where}: not JSON at column ${at + 1}: ${reason}`, {
      hint: "Each line of a corpus is one row, a whole JSON object.",
    });
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new IBertError("row-shape", `${where}: the line is no JSON object`, {
      hint: "Each line of a corpus is one row, a whole JSON object.",
    });
  }
  parseTaskType((value as { task?: unknown }).task, where);
  const parsed = rowShape.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const key = issue?.path.join(".");
    throw new IBertError("row-shape", `${where}: ${key ? `${key}: ` : ""}${issue?.message ?? "not a row"}`);
  }
  if (/\\ud[89ab]|\\ud[c-f]/i.test(line)) requireWholeCharacters(value, where, "");
  if (parsed.data.completion.trim() === "") {
    throw new IBertError(
      "row-unsupervised",
      `${where}: row ${parsed.data.id} has no completion to learn from`,
      {
        hint: "Give the row a completion, or take the line out.",
      },
    );
  }
  return parsed.data as Row;
}

/** Half of a surrogate pair is no character: no UTF-8 holds it, and a tokenizer would see another text. */
function requireWholeCharacters(value: unknown, where: string, path: string): void {
  if (typeof value === "string") {
    const [half] = /\p{Surrogate}/u.exec(value) ?? [];
    if (half === undefined) return;
    throw new IBertError(
      "row-json",
      `${where}: ${path}: \\u${half.charCodeAt(0).toString(16)} is half of a character`,
      { hint: "Beyond U+FFFF JSON writes two such escapes together, for example \\ud83d\\ude00." },
    );
  }
  if (value === null || typeof value !== "object") return;
  for (const [key, part] of Object.entries(value)) {
    const inner = path === "" ? key : `${path}.${key}`;
    requireWholeCharacters(key, where, inner);
    requireWholeCharacters(part, where, inner);
  }
}
