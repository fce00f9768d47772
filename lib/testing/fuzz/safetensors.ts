import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Random } from "../../data/random.js";
import { openSafetensorsFolder } from "../../formats/safetensors.js";
import { claimed, damageBytes } from "./bytes.js";
import { damageText, mutatedJson, treeOf, write, type Tree } from "./json.js";
import type { Target } from "./target.js";

const entry = (dtype: string, shape: number[], from: number, to: number) => ({
  dtype,
  shape,
  data_offsets: [from, to],
});

const HEADER: Tree = treeOf({
  __metadata__: { format: "pt" },
  "a.weight": entry("F32", [2, 3], 0, 24),
  b: entry("BF16", [4], 24, 32),
  c: entry("I64", [], 32, 40),
  empty: entry("U8", [0, 5], 40, 40),
  d: entry("F8_E4M3", [2, 4], 40, 48),
});
const DATA_BYTES = 48;
const INDEX: Tree = treeOf({
  metadata: { total_size: 48 },
  weight_map: { x: "model-00001-of-00002.safetensors", y: "model-00002-of-00002.safetensors" },
});
const shard = (name: string): Tree => treeOf({ [name]: entry("F32", [6], 0, 24) });

/** A safetensors file of this header; some of what it says of itself may be untrue. */
export function safetensorsBytes(header: Tree, dataBytes: number, random: Random): Buffer {
  const kind = random.below(10);
  const tree = kind < 7 ? mutatedJson(header, random) : header;
  const json = damageText(write(tree), random);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(kind === 7 ? claimed(json.length, random) : BigInt(json.length));
  const data = kind === 8 ? random.below(2 * dataBytes + 1) : dataBytes;
  const bytes = Buffer.concat([length, json, Buffer.alloc(data, 1)]);
  return kind === 9 ? damageBytes(bytes, random) : bytes;
}

/** … of which all is true. */
export function soundSafetensors(header: Tree, dataBytes: number): Buffer {
  const json = Buffer.from(write(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}

/** One file, or two shards with or without their index. */
export const safetensors: Target = {
  sound: (folder) => writeFileSync(join(folder, "model.safetensors"), soundSafetensors(HEADER, DATA_BYTES)),
  write(folder, random) {
    const [whole, index, ...shards] = [
      "model.safetensors",
      "model.safetensors.index.json",
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
    ].map((name) => join(folder, name)) as [string, string, string, string];
    let bytes = 0;
    const put = (path: string, content: Buffer | string): void => {
      writeFileSync(path, content);
      bytes += content.length;
    };
    if (random.below(4) > 0) {
      put(whole, safetensorsBytes(HEADER, DATA_BYTES, random));
      return bytes;
    }
    if (existsSync(whole)) rmSync(whole);
    const broken = random.below(3);
    if (broken === 2) put(index, damageText(write(mutatedJson(INDEX, random)), random));
    else if (random.below(2) === 0) put(index, write(INDEX));
    else if (existsSync(index)) rmSync(index);
    ["x", "y"].forEach((name, i) => {
      const own = shard(name);
      put(shards[i] as string, broken === i ? safetensorsBytes(own, 24, random) : soundSafetensors(own, 24));
    });
    return bytes;
  },
  async read(folder) {
    const file = openSafetensorsFolder(folder);
    for (const name of file.tensors.keys()) await file.read(name);
  },
};
