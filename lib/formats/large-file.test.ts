/** Offsets beyond 2^32 and tensors larger than 4 GiB: in sparse files, which take no room on the disk. */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { addon } from "../runtime/native.js";
import { piecesOf } from "../models/device-weights.js";
import { readRange, readRangeSync, type ByteRange } from "./file.js";
import { openGguf } from "./gguf.js";
import { openSafetensors } from "./safetensors.js";
import { encodeGguf } from "./testing/gguf-writer.js";
import { temporaryFolder } from "./testing/temporary.js";

const LARGE = 2 ** 32 + 2 ** 20;
const LAST = Buffer.from([1, 2, 3, 4]);

/** A file that begins with some bytes and ends with `LAST`. */
function sparse(name: string, header: Buffer, size: number): string {
  const path = join(temporaryFolder(), name);
  const file = openSync(path, "w");
  writeSync(file, header);
  ftruncateSync(file, size);
  writeSync(file, LAST, 0, LAST.length, size - LAST.length);
  closeSync(file);
  return path;
}

/** The last four bytes of a tensor, by all ways there are. */
async function lastBytes({ path, byteOffset, byteLength }: ByteRange): Promise<void> {
  const range = { path, byteOffset: byteOffset + byteLength - LAST.length, byteLength: LAST.length };
  expect(range.byteOffset).toBeGreaterThan(2 ** 32);
  expect(Buffer.from(await readRange(range))).toEqual(LAST);
  expect(readRangeSync(range)).toEqual(LAST);
  const native = addon();
  const part = native.mapFile(path, range.byteOffset, range.byteLength);
  expect(Buffer.from(part)).toEqual(LAST);
  native.unmapFile(part);
}

describe("a tensor larger than 4 GiB, and one behind it", () => {
  it("lie in a GGUF where its header says", async () => {
    const none = new Uint8Array();
    const content = encodeGguf({
      tensors: [
        { name: "large", dtype: "I8", shape: [2 ** 20, LARGE / 2 ** 20], data: none, offset: 0 },
        { name: "behind", dtype: "F32", shape: [1], data: none, offset: LARGE },
      ],
    });
    const path = sparse("large.gguf", content, content.length + LARGE + 4);
    const { tensors } = openGguf(path);
    expect(tensors.get("large")).toMatchObject({ byteLength: LARGE });
    expect(tensors.get("behind")).toMatchObject({ byteOffset: content.length + LARGE, byteLength: 4 });
    await lastBytes(tensors.get("behind") as ByteRange);
  });

  it("lie in a safetensors file where its header says", async () => {
    const header = Buffer.from(
      JSON.stringify({
        large: { dtype: "U8", shape: [LARGE], data_offsets: [0, LARGE] },
        behind: { dtype: "F32", shape: [1], data_offsets: [LARGE, LARGE + 4] },
      }),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const path = sparse("large.safetensors", Buffer.concat([length, header]), 8 + header.length + LARGE + 4);
    const { tensors } = openSafetensors(path);
    await lastBytes(tensors.get("behind") as ByteRange);
  });

  it("are mapped in pieces of whole rows, and as one array refused", () => {
    const path = sparse("large.bin", Buffer.alloc(0), LARGE);
    expect(() => addon().mapFile(path, 0, LARGE)).toThrow(/mapFile: bytes is not a whole number from 0 to/);
    const whole = { name: "large", path, byteOffset: 32, byteLength: LARGE, dtype: "Q4_0" } as const;
    // (rows, 576) in blocks of 18 bytes.
    const columns = 576;
    const rows = LARGE / 324;
    const pieces = [
      ...piecesOf(
        { ...whole, byteLength: 324 * Math.floor(rows), shape: [Math.floor(rows), columns] },
        2 ** 31,
      ),
    ];
    expect(pieces).toHaveLength(3);
    let [row, end] = [0, 32];
    for (const [{ shape, byteOffset, byteLength }, firstElement] of pieces) {
      expect([byteOffset, firstElement]).toEqual([end, row * columns]);
      expect(byteLength).toBe(324 * (shape[0] as number));
      expect(byteLength).toBeLessThanOrEqual(2 ** 31);
      row += shape[0] as number;
      end += byteLength;
    }
    expect([row, end]).toEqual([Math.floor(rows), 32 + 324 * Math.floor(rows)]);
    const vector = [...piecesOf({ ...whole, dtype: "F32", shape: [10], byteLength: 40 }, 16)];
    expect(vector.map(([{ shape, byteOffset }, first]) => [shape[0], byteOffset, first])).toEqual([
      [4, 32, 0],
      [4, 48, 4],
      [2, 64, 8],
    ]);
  });
});
