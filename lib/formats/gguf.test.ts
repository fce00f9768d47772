import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { gguf as readWithHuggingFace } from "@huggingface/gguf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { IBertError } from "../errors.js";
import { openGguf } from "./gguf.js";
import { encodeGguf, zeros, type GgufContent } from "./testing/gguf-writer.js";
import { temporaryFolder } from "./testing/temporary.js";

const SMALL: GgufContent = {
  metadata: {
    "general.architecture": { type: "string", value: "llama" },
    "test.large": { type: "u64", value: 2n ** 63n },
    "test.negative": { type: "i64", value: -5n },
    "test.flag": { type: "bool", value: true },
    "test.half": { type: "f64", value: 0.5 },
    "test.words": { type: "array", of: "string", value: ["ä", "", "c"] },
    "test.numbers": { type: "array", of: "i32", value: [-1, 2] },
  },
  tensors: [
    { name: "a", dtype: "F32", shape: [3], data: new Uint8Array(new Float32Array([1, 2, 3]).buffer) },
    { name: "b", dtype: "Q4_1", shape: [2, 64], data: zeros("Q4_1", [2, 64]).fill(7) },
  ],
};

function store(bytes: Uint8Array): string {
  const path = join(temporaryFolder(), "model.gguf");
  writeFileSync(path, bytes);
  return path;
}

const open = (content: GgufContent) => openGguf(store(encodeGguf(content)));

describe("openGguf", () => {
  it("reads metadata, tensors and their bytes", async () => {
    const gguf = open(SMALL);
    expect(Object.fromEntries(gguf.metadata)).toEqual({
      "general.architecture": "llama",
      "test.large": 2n ** 63n,
      "test.negative": -5,
      "test.flag": true,
      "test.half": 0.5,
      "test.words": ["ä", "", "c"],
      "test.numbers": [-1, 2],
    });
    expect(gguf.tensors.get("b")).toMatchObject({ dtype: "Q4_1", shape: [2, 64], byteLength: 80 });
    expect(new Float32Array((await gguf.read("a")).buffer)).toEqual(new Float32Array([1, 2, 3]));
    const target = new Uint8Array(80);
    expect(await gguf.read("b", target)).toBe(target);
    expect(target.every((byte) => byte === 7)).toBe(true);
    await expect(gguf.read("c")).rejects.toThrow("there is no tensor c");
    await expect(gguf.read("b", new Uint8Array(79))).rejects.toThrow("a buffer of 79 bytes");
  });

  it.each([2, 3])("reads version %i as the hub's reader does", async (version) => {
    const path = store(encodeGguf({ ...SMALL, version }));
    const theirs = await readWithHuggingFace(path, { allowLocalFile: true });
    const ours = openGguf(path);
    expect(ours.version).toBe(theirs.metadata.version);
    for (const { name, shape, offset } of theirs.tensorInfos) {
      expect(ours.tensors.get(name)).toMatchObject({
        shape: shape.map(Number).reverse(),
        byteOffset: Number(theirs.tensorDataOffset + offset),
      });
    }
  });

  it("honours general.alignment", () => {
    const gguf = open({ ...SMALL, metadata: { "general.alignment": { type: "u32", value: 256 } } });
    expect([...gguf.tensors.values()].map(({ byteOffset }) => byteOffset % 256)).toEqual([0, 0]);
  });

  it("calls every truncation by its name", () => {
    const whole = encodeGguf(SMALL);
    const path = store(whole);
    // The padding behind the last tensor may be missing: nothing lies there.
    const end = (openGguf(path).tensors.get("b")?.byteOffset ?? 0) + 80;
    for (let length = 0; length < end; length++) {
      writeFileSync(path, whole.subarray(0, length));
      expect(() => openGguf(path), `${length} bytes`).toThrow(/model\.gguf: the file is truncated/);
    }
    writeFileSync(path, whole.subarray(0, end));
    expect(openGguf(path).tensors.size).toBe(2);
  });

  it("throws nothing but its own errors on changed bytes", () => {
    const whole = encodeGguf(SMALL);
    const path = store(whole);
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const damaged = Buffer.from(whole);
        for (const [at, byte] of changes) damaged[at] = byte;
        writeFileSync(path, damaged);
        try {
          openGguf(path);
        } catch (error) {
          expect(error).toBeInstanceOf(IBertError);
        }
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  const tensor = { name: "w", dtype: "F32", shape: [8], data: new Uint8Array(32) } as const;
  it.each<[string, GgufContent, RegExp]>([
    ["a version of the future", { version: 4 }, /GGUF version 4 is not read/],
    ["a big-endian file", { version: 3 << 24 }, /big-endian/],
    ["an unknown type", { tensors: [{ ...tensor, dtype: 99 }] }, /tensor w has the ggml type 99.*not read/],
    ["a quantisation without a reader", { tensors: [{ ...tensor, dtype: 16 }] }, /ggml type 16/],
    ["part of a block", { tensors: [{ ...tensor, dtype: "Q8_0", shape: [40] }] }, /whole blocks of 32/],
    ["too many dimensions", { tensors: [{ ...tensor, shape: [1, 1, 1, 1, 8] }] }, /5 dimensions/],
    [
      "an offset off the alignment",
      { tensors: [{ ...tensor, offset: 8 }] },
      /no multiple of the alignment 32/,
    ],
    ["an offset behind the end", { tensors: [{ ...tensor, offset: 1 << 20 }] }, /truncated: tensor w ends/],
    [
      "overlapping tensors",
      { tensors: [tensor, { ...tensor, name: "v", offset: 0 }] },
      /tensor v overlaps tensor w/,
    ],
    ["a tensor twice", { tensors: [tensor, tensor] }, /tensor w stands twice/],
    [
      "a key twice",
      {
        metadata: [
          ["k", { type: "u8", value: 1 }],
          ["k", { type: "u8", value: 2 }],
        ],
      },
      /metadata k stands twice/,
    ],
    [
      "an alignment of zero",
      { metadata: { "general.alignment": { type: "u32", value: 0 } } },
      /general\.alignment is 0/,
    ],
  ])("refuses %s", (_, content, message) => {
    expect(() => open(content)).toThrow(message);
  });

  it("refuses what is no GGUF, and what is not there", () => {
    expect(() => openGguf(store(Buffer.from("PK\x03\x04 something else")))).toThrow(/starts with "PK/);
    expect(() => openGguf("nowhere.gguf")).toThrow("nowhere.gguf: cannot read: no such file or folder");
    expect(() => openGguf(temporaryFolder())).toThrow("this is not a file");
  });
});
