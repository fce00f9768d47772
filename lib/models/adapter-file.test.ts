import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterEach, beforeEach, expect, it } from "vitest";

import { openSafetensors } from "../formats/safetensors.js";
import { writeSafetensors, type TensorToWrite } from "../formats/safetensors-writer.js";
import { Device } from "../runtime/device.js";
import { loadAdapter } from "./adapter-file.js";
import { configFromHuggingFace } from "./config.js";
import { Decoder } from "./decoder.js";
import { loadDecoderWeights } from "./device-weights.js";
import { resolveSource } from "./sources.js";
import { nmse, uploadRows } from "./testing/harness.js";
import { writeIbertAdapter } from "./testing/ibert-adapter.js";
import { openWeights } from "./weights.js";

/** The npm package is a browser library without types: a view on the bytes by the header. */
const { SafeTensor } = createRequire(import.meta.url)("safetensors") as {
  SafeTensor: new (bytes: Uint8Array) => {
    metadata: Map<string, { dtype: string; shape: number[] }>;
    getTensor(name: string): Uint8Array;
  };
};

const base = fileURLToPath(new URL("goldens/tiny-llama/", import.meta.url));
const golden = join(base, "adapter-ibert");
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ibert-adapter-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it("writes the adapter that PEFT was shown, byte for byte", async () => {
  await writeIbertAdapter(join(folder, "adapter"), configFromHuggingFace(join(base, "config.json")));
  for (const file of ["adapter_config.json", "adapter_model.safetensors"]) {
    expect(readFileSync(join(folder, "adapter", file)).equals(readFileSync(join(golden, file))), file).toBe(
      true,
    );
  }
});

it("gives its own adapter the logits that PEFT gives it", async () => {
  const { rows } = JSON.parse(readFileSync(join(golden, "peft-logits.json"), "utf8")) as {
    rows: { ids: number[]; logits: number[][] }[];
  };
  const device = Device.open("reference");
  const weights = openWeights(await resolveSource(base));
  const { adapter } = await loadAdapter(device, weights.config, golden);
  const loaded = await loadDecoderWeights(device, weights, { weights: "f32" });
  const options = { activations: "f32", recompute: "none" } as const;
  const decoder = new Decoder(device, weights.config, loaded, adapter, options);
  for (const { ids, logits } of rows) {
    const batch = uploadRows(device, [{ ids, mask: ids.map(() => 0) }]);
    const arena = decoder.arenaFor("logits", (planned, counting) => planned.logits(batch, counting));
    const ours = await device.readFloats(decoder.logits(batch, arena));
    expect(nmse(ours, logits.flat())).toBeLessThan(1e-9);
  }
  expect(rows.length).toBeGreaterThan(1);
});

it("writes safetensors that another reader sees alike", async () => {
  const source = openSafetensors(join(golden, "adapter_model.safetensors"));
  const tensors = new Map<string, TensorToWrite>();
  for (const { name, dtype, shape } of source.tensors.values()) {
    tensors.set(name, { dtype, shape, data: await source.read(name) });
  }
  // The other reader takes `__metadata__` for a tensor, so the file has none.
  const path = join(folder, "plain.safetensors");
  await writeSafetensors(path, tensors);
  const bytes = new Uint8Array(readFileSync(path));
  const theirs = new SafeTensor(bytes);
  const ours = openSafetensors(path);
  expect([...theirs.metadata.keys()].sort()).toEqual([...source.tensors.keys()].sort());
  for (const { name, dtype, shape, byteOffset, byteLength } of ours.tensors.values()) {
    expect(theirs.metadata.get(name)).toMatchObject({ dtype, shape });
    expect(Buffer.compare(theirs.getTensor(name), bytes.subarray(byteOffset, byteOffset + byteLength))).toBe(
      0,
    );
  }
});
