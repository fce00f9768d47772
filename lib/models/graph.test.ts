import path from "node:path";
import { fileURLToPath } from "node:url";

import { expect, it } from "vitest";

import { InferenceEngine } from "../generation/engine.js";
import { Device } from "../runtime/device.js";
import { Decoder } from "./decoder.js";
import { loadDecoderWeights } from "./device-weights.js";
import { resolveSource } from "./sources.js";
import { uploadRows } from "./testing/harness.js";
import { openWeights } from "./weights.js";

const TINY = path.join(fileURLToPath(new URL("goldens/", import.meta.url)), "tiny-llama");

it("is one graph: training and generation differ in how rows attend, and in the rows that have outputs", async () => {
  await using device = Device.open("cpu", { threads: 1 });
  const files = openWeights(await resolveSource(TINY));
  const weights = await loadDecoderWeights(device, files, { weights: "f32" });
  const { config } = files;
  const names: string[] = [];
  const { ops } = device as unknown as { ops: Record<string, (args: object) => void> };
  for (const [name, run] of Object.entries(ops)) {
    ops[name] = (args) => {
      names.push(name);
      run(args);
    };
  }
  const ids = [1, 2, 3, 4];

  const decoder = new Decoder(device, config, weights, undefined, { activations: "f32", recompute: "none" });
  const batch = uploadRows(device, [{ ids, mask: [0, 0, 0, 1] }]);
  const arena = decoder.arenaFor("logits", (planned, counting) => planned.logits(batch, counting));
  const logits = await device.readFloats(decoder.logits(batch, arena));
  const trained = names.splice(0);

  const sizes = { maxRows: 16, maxSequences: 1, maxPositions: 64 };
  using engine = new InferenceEngine({ device, config, weights }, undefined, {
    activations: "f32",
    ...sizes,
  });
  engine.step([{ sequence: { blocks: [], length: 0 }, tokens: ids, adapter: -1, outputs: 4 }]);
  const generated = await device.readFloats(engine.logitsOf(0, 4));

  const pagedAsPacked = names
    .join(" ")
    .replaceAll("kvCacheWrite pagedAttention", "attentionForward")
    .replace("gatherRows ", "");
  expect(trained.join(" ")).toBe(pagedAsPacked);
  expect(trained.filter((name) => name === "attentionForward")).toHaveLength(config.layers);
  logits.forEach((value, i) => expect(value).toBeCloseTo(generated[i] as number, 4));
});
