import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { IBertError } from "../errors.js";
import { DTYPES } from "./dtypes.js";
import { writeSafetensors, type TensorToWrite } from "./safetensors-writer.js";
import { openSafetensors, openSafetensorsFolder } from "./safetensors.js";
import { fullDisk } from "./testing/failing-file-system.js";
import { temporaryFolder } from "./testing/temporary.js";

/** The npm package `safetensors`, a second reader. */
const { SafeTensor } = createRequire(import.meta.url)("safetensors") as {
  SafeTensor: new (file: Uint8Array) => { getTensor(name: string): Uint8Array };
};

const TENSORS = new Map<string, TensorToWrite>([
  ["small", { dtype: "U8", shape: [3], data: new Uint8Array([1, 2, 3]) }],
  ["matrix", { dtype: "F32", shape: [2, 2], data: new Float32Array([1, -2, 3.5, 0]) }],
  ["scalar", { dtype: "I64", shape: [], data: new BigInt64Array([-7n]) }],
  ["half", { dtype: "BF16", shape: [1, 2], data: new Uint16Array([0x3f80, 0xc000]) }],
  ["empty", { dtype: "F32", shape: [0, 4], data: new Float32Array(0) }],
]);

/** A file of a header, as text or as what JSON makes of it, and so many bytes of data. */
function store(header: unknown, dataBytes: number): string {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const file = Buffer.alloc(8 + json.length + dataBytes);
  file.writeBigUInt64LE(BigInt(json.length));
  json.copy(file, 8);
  const path = join(temporaryFolder(), "model.safetensors");
  writeFileSync(path, file);
  return path;
}

describe("safetensors", () => {
  it("writes what it reads, aligned, the same bytes every time", async () => {
    const path = join(temporaryFolder(), "model.safetensors");
    await writeSafetensors(path, TENSORS, { metadata: { format: "pt" } });
    const first = readFileSync(path);
    await writeSafetensors(path, new Map([...TENSORS].reverse()), { metadata: { format: "pt" } });
    expect(readFileSync(path).equals(first)).toBe(true);
    const file = openSafetensors(path);
    expect(file.metadata).toEqual({ format: "pt" });
    expect([...file.tensors.keys()].sort()).toEqual([...TENSORS.keys()].sort());
    for (const [name, { dtype, shape, data }] of TENSORS) {
      const tensor = file.tensors.get(name);
      expect(tensor).toMatchObject({ name, dtype, shape, byteLength: data.byteLength });
      expect((tensor?.byteOffset ?? NaN) % DTYPES[dtype].blockBytes).toBe(0);
      expect(await file.read(name)).toEqual(new Uint8Array(data.buffer));
    }
    await expect(file.read("nothing")).rejects.toThrow("there is no tensor nothing");
  });

  it("writes what another reader reads", async () => {
    const path = join(temporaryFolder(), "model.safetensors");
    await writeSafetensors(path, TENSORS);
    const theirs = new SafeTensor(new Uint8Array(readFileSync(path)));
    for (const [name, { data }] of TENSORS) {
      expect([...theirs.getTensor(name)]).toEqual([...new Uint8Array(data.buffer)]);
    }
  });

  it("refuses to write data that is not of the tensor's size", async () => {
    const folder = temporaryFolder();
    const wrong = new Map([["w", { dtype: "F32", shape: [2, 2], data: new Float32Array(3) } as const]]);
    await expect(writeSafetensors(join(folder, "m"), wrong)).rejects.toThrow(
      "tensor w is F32 (2, 2), but its data has 12 bytes",
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([0, 9, 200])("leaves nothing behind on a disk with room for %i bytes", async (room) => {
    const folder = temporaryFolder();
    const writing = writeSafetensors(join(folder, "m"), TENSORS, { fileSystem: fullDisk(room) });
    await expect(writing).rejects.toMatchObject({ code: "disk-full" });
    expect(readdirSync(folder)).toEqual([]);
  });

  it("calls every truncation by its name", async () => {
    const path = join(temporaryFolder(), "model.safetensors");
    await writeSafetensors(path, TENSORS);
    const whole = readFileSync(path);
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      expect(() => openSafetensors(path), `${length} bytes`).toThrow(
        /model\.safetensors: the file is truncated/,
      );
    }
  });

  it("throws nothing but its own errors on changed bytes", async () => {
    const path = join(temporaryFolder(), "model.safetensors");
    await writeSafetensors(path, TENSORS);
    const whole = readFileSync(path);
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const damaged = Buffer.from(whole);
        for (const [at, byte] of changes) damaged[at] = byte;
        writeFileSync(path, damaged);
        try {
          openSafetensors(path);
        } catch (error) {
          expect(error).toBeInstanceOf(IBertError);
        }
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  const w = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
  it.each<[string, unknown, number, RegExp]>([
    ["a header that is no object", "[1]", 0, /does not start with '\{'/],
    ["broken JSON", '{"w":', 0, /the header is no valid JSON/],
    [
      "an unknown dtype",
      { w: { ...w, dtype: "F12" } },
      8,
      /tensor w has the dtype "F12", which is not known here/,
    ],
    ["a block type", { w: { ...w, dtype: "Q4_0" } }, 8, /dtype "Q4_0", which is not known here/],
    ["a negative dimension", { w: { ...w, shape: [-2] } }, 8, /w\.shape\.0/],
    ["an unknown key", { w: { ...w, stride: 1 } }, 8, /w: Unrecognized key/],
    ["a shape of another size", { w: { ...w, shape: [3] } }, 8, /tensor w is F32 \(3\), 12 bytes.*span 8/],
    ["offsets backwards", { w: { ...w, data_offsets: [8, 0] } }, 8, /tensor w is F32 \(2\)/],
    ["an overlap", { w, v: { ...w, data_offsets: [4, 12] } }, 12, /tensor v overlaps tensor w/],
    ["a hole", { w, v: { ...w, data_offsets: [12, 20] } }, 20, /tensor v leaves a hole after tensor w/],
    ["bytes behind the last tensor", { w }, 9, /1 bytes follow the last tensor/],
    ["metadata that is no text", { __metadata__: { a: 1 }, w }, 8, /__metadata__\.a/],
    [
      "a tensor twice",
      `{"w":${JSON.stringify(w)},"v\\"{":${JSON.stringify({ ...w, data_offsets: [8, 16] })},"\\u0077":${JSON.stringify(w)}}`,
      16,
      /tensor w stands twice/,
    ],
  ])("refuses %s", (_, header, dataBytes, message) => {
    expect(() => openSafetensors(store(header, dataBytes))).toThrow(message);
  });

  it("refuses a header longer than the format allows", () => {
    const path = store({ w }, 8);
    const bytes = readFileSync(path);
    bytes.writeBigUInt64LE(1n << 40n);
    writeFileSync(path, bytes);
    expect(() => openSafetensors(path)).toThrow(/claims 1099511627776 bytes; the format allows 100000000/);
  });
});

describe("a model in shards", () => {
  async function shards(weightMap: Record<string, string>): Promise<string> {
    const folder = temporaryFolder();
    const one = (value: number): Map<string, TensorToWrite> =>
      new Map([[`w${value}`, { dtype: "F32", shape: [1], data: new Float32Array([value]) }]]);
    await writeSafetensors(join(folder, "model-1.safetensors"), one(1));
    await writeSafetensors(join(folder, "model-2.safetensors"), one(2));
    writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: weightMap }));
    return folder;
  }

  it("is one set of tensors", async () => {
    const folder = await shards({ w1: "model-1.safetensors", w2: "model-2.safetensors" });
    const model = openSafetensorsFolder(folder);
    expect([...model.tensors.values()].map(({ path }) => path)).toEqual([
      join(folder, "model-1.safetensors"),
      join(folder, "model-2.safetensors"),
    ]);
    expect(new Float32Array((await model.read("w2")).buffer)).toEqual(new Float32Array([2]));
  });

  it("names a tensor that is not where the index says, and a shard that is missing or elsewhere", async () => {
    const folder = await shards({ w1: "model-2.safetensors" });
    expect(() => openSafetensorsFolder(folder)).toThrow(/tensor w1 is not in model-2\.safetensors/);
    const missing = await shards({ w1: "model-3.safetensors" });
    expect(() => openSafetensorsFolder(missing)).toThrow(
      /index\.json: the index names model-3\.safetensors, which is not here/,
    );
    const outside = await shards({ w1: "../model-1.safetensors" });
    expect(() => openSafetensorsFolder(outside)).toThrow(/outside of the folder/);
    expect(() => openSafetensorsFolder(temporaryFolder())).toThrow(/neither model\.safetensors nor/);
    const unnamed = await shards({ w1: "model-1.safetensors" });
    await writeSafetensors(
      join(unnamed, "model-1.safetensors"),
      new Map(["w1", "w9"].map((name) => [name, { dtype: "F32", shape: [1], data: new Float32Array(1) }])),
    );
    expect(() => openSafetensorsFolder(unnamed)).toThrow(
      /tensor w9 stands in model-1\.safetensors, but the index does not name it/,
    );
  });

  it("counts less than a whole file beside it", async () => {
    const folder = await shards({ w1: "model-1.safetensors" });
    const data = new Float32Array([7]);
    await writeSafetensors(
      join(folder, "model.safetensors"),
      new Map([["w1", { dtype: "F32", shape: [1], data }]]),
    );
    expect(openSafetensorsFolder(folder).path).toBe(join(folder, "model.safetensors"));
  });

  it("needs no index where the set is complete", async () => {
    const folder = temporaryFolder();
    const write = (file: string, name: string): Promise<void> =>
      writeSafetensors(
        join(folder, file),
        new Map([[name, { dtype: "F32", shape: [1], data: new Float32Array(1) }]]),
      );
    await write("model-00001-of-00002.safetensors", "w1");
    expect(() => openSafetensorsFolder(folder)).toThrow(/of 2 shards number 2 is missing/);
    await write("model-00002-of-00002.safetensors", "w1");
    expect(() => openSafetensorsFolder(folder)).toThrow(
      /tensor w1 stands in model-00001.* and in model-00002/,
    );
    await write("model-00002-of-00002.safetensors", "w2");
    expect([...openSafetensorsFolder(folder).tensors.keys()].sort()).toEqual(["w1", "w2"]);
    await write("model-00001-of-00003.safetensors", "w3");
    expect(() => openSafetensorsFolder(folder)).toThrow(/shards of several saves lie here/);
  });

  it.each([
    ["pytorch_model.bin", /PyTorch's pickle format/],
    ["consolidated.safetensors", /Mistral's layout, which needs params/],
    ["m.Q4_K_M.gguf", /The folder holds m\.Q4_K_M\.gguf/],
    ["adapter_model.safetensors", /This is a PEFT adapter/],
    ["weights.npz", /weights\.npz is not read/],
  ])("says what %s is", (file, message) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, file), "");
    expect(() => openSafetensorsFolder(folder)).toThrow(message);
  });
});
