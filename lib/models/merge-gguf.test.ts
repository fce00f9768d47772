import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { dequantize } from "../formats/dequantize.js";
import type { DType } from "../formats/dtypes.js";
import { openGguf } from "../formats/gguf.js";
import { quantize } from "../formats/quantize.js";
import { moduleLora } from "../formats/peft-modules.js";
import { readPeftAdapter } from "../formats/peft.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { Device } from "../runtime/device.js";
import { saveAdapter } from "./adapter-file.js";
import { Decoder } from "./decoder.js";
import { loadDecoderWeights } from "./device-weights.js";
import { LINEAR_MODULES } from "./linears.js";
import { LoraLayout } from "./lora.js";
import { mergeIntoGguf } from "./merge-gguf.js";
import { resolveSource } from "./sources.js";
import { familyAdapter } from "./testing/families.js";
import { goldenTensor, nmse, uploadRows, type GoldenRow } from "./testing/harness.js";
import { smallAdapterFacts, writeSmallModel } from "./testing/small-model.js";
import { writeTinyGguf } from "./testing/tiny-gguf.js";
import { openWeights, readWeight } from "./weights.js";

const goldens = fileURLToPath(new URL("goldens/", import.meta.url));
const base = join(goldens, "tiny-llama");
const variant = (name: string): string => join(goldens, "peft-variants", name);

async function logitsOf(path: string): Promise<ArrayLike<number>> {
  await using device = Device.open("reference");
  const weights = openWeights(await resolveSource(path));
  const loaded = await loadDecoderWeights(device, weights, { weights: "f32" });
  const decoder = new Decoder(device, weights.config, loaded, undefined, {
    activations: "f32",
    recompute: "none",
  });
  const { rows } = JSON.parse(readFileSync(join(base, "batch.json"), "utf8")) as { rows: GoldenRow[] };
  const batch = uploadRows(device, rows.slice(0, 1));
  const arena = decoder.arenaFor("logits", (planned, counting) => planned.logits(batch, counting));
  return await device.readFloats(decoder.logits(batch, arena));
}

async function merge(path: string, adapter: string) {
  const output = join(temporaryFolder(), "merged.gguf");
  return { output, ...(await mergeIntoGguf({ source: await resolveSource(path), adapter, output })) };
}

/** Of each module; the others are F16. */
type Types = Record<string, DType>;

/** A model whose rows are whole blocks of 256, and an adapter on all of its linears. */
async function smallModelWithAdapter(): Promise<[folder: string, adapter: string]> {
  const [folder, adapter] = [join(temporaryFolder(), "small"), join(temporaryFolder(), "adapter")];
  const config = await writeSmallModel(folder, undefined, { vocab_size: 512 });
  const layout = new LoraLayout(config, { rank: 4, alpha: 2, targets: LINEAR_MODULES });
  await saveAdapter(adapter, layout, familyAdapter(layout), smallAdapterFacts());
  return [folder, adapter];
}

describe("mergeIntoGguf", () => {
  it.each(["patterns", "regex"])("gives a float32 GGUF PEFT's logits of %s", async (name) => {
    const { output, divergence } = await merge(await writeTinyGguf(base, () => "F32"), variant(name));
    const expected = await goldenTensor(join(variant(name), "expected.safetensors"), "logits");
    expect(nmse(await logitsOf(output), expected)).toBeLessThan(1e-9);
    expect(divergence).toMatchObject({ ofUpdate: 0, ofWeights: 0 });
  });

  it.each<[string, Types, () => Promise<[folder: string, adapter: string]>]>([
    [
      "blocks of 32 and none",
      { q: "Q8_0", k: "Q4_0", v: "Q5_1", o: "BF16", gate: "Q4_1", up: "Q5_0", down: "F16" },
      () => Promise.resolve([base, variant("patterns")]),
    ],
    [
      "K types",
      { q: "Q6_K", k: "Q4_K", v: "Q5_K", o: "Q5_K", gate: "Q4_K", up: "Q6_K", down: "Q6_K" },
      smallModelWithAdapter,
    ],
  ])(
    "stores each adapted weight in its own type again and all else as it was: %s",
    async (_, types, model) => {
      const typeOf = (name: string): DType => types[/\.(\w+)_proj\./.exec(name)?.[1] ?? ""] ?? "F16";
      const [folder, adapter] = await model();
      const path = await writeTinyGguf(folder, typeOf);
      const source = await resolveSource(path);
      const { output, merged, bytes, divergence } = await merge(path, adapter);
      const { config, tensors } = await readPeftAdapter(adapter);
      /** W + scale B A, rounded once. */
      const mergedPlainly = (weight: string, values: Float32Array, columns: number): Float32Array => {
        const module = weight.replace(".weight", "");
        const { rank, scale } = moduleLora(config)(module)!;
        const [A, B] = ["A", "B"].map(
          (part) => tensors.get(`base_model.model.${module}.lora_${part}.weight`)!.data,
        );
        return values.map((value, at) => {
          const [row, column] = [Math.floor(at / columns), at % columns];
          let sum = 0;
          for (let r = 0; r < rank; r++) sum += B![row * rank + r]! * A![r * columns + column]!;
          return value + scale * sum;
        });
      };
      const [before, after] = [openWeights(source), openWeights(await resolveSource(output))];
      expect(merged).toBe(2 * 7);
      let worst = { name: "", ofUpdate: 0 };
      const all = { error: 0, update: 0, weights: 0 };
      for (const name of after.names) {
        const [was, is] = [await readWeight(before.tensor(name)), await readWeight(after.tensor(name))];
        const { dtype } = after.tensor(name);
        expect(dtype).toBe(before.tensor(name).dtype);
        if (!/_proj\./.test(name)) {
          expect(Buffer.from(is).equals(was), name).toBe(true);
          continue;
        }
        const [old, now] = [dequantize(dtype, was), dequantize(dtype, is)];
        const meant = mergedPlainly(name, old, after.tensor(name).shape[1] as number);
        expect(Buffer.from(is).equals(quantize(dtype, meant)), name).toBe(true);
        const squares = { error: 0, update: 0 };
        meant.forEach((value, i) => {
          squares.error += (value - now[i]!) ** 2;
          squares.update += (value - old[i]!) ** 2;
          all.weights += value * value;
        });
        all.error += squares.error;
        all.update += squares.update;
        const ofUpdate = Math.sqrt(squares.error / squares.update);
        if (ofUpdate > worst.ofUpdate) worst = { name, ofUpdate };
      }
      expect(divergence.worst?.name).toBe(worst.name);
      expect(divergence.worst?.ofUpdate).toBeCloseTo(worst.ofUpdate, 5);
      // Of four bits.
      expect(worst.name).toMatch(/k_proj|gate_proj/);
      expect(divergence.ofUpdate).toBeCloseTo(Math.sqrt(all.error / all.update), 5);
      expect(divergence.ofWeights).toBeCloseTo(Math.sqrt(all.error / all.weights), 5);
      expect(divergence.ofUpdate).toBeGreaterThan(0.01);
      // Header and tensor table are the base's.
      const data = Math.min(...[...openGguf(path).tensors.values()].map(({ byteOffset }) => byteOffset));
      const [old, now] = [readFileSync(path), readFileSync(output)];
      expect(now.length).toBe(bytes);
      expect(now.subarray(0, data).equals(old.subarray(0, data))).toBe(true);
    },
  );

  it("refuses what it cannot write, by name", async () => {
    const path = await writeTinyGguf(base, () => "Q8_0");
    const source = await resolveSource(path);
    const merging = { source, adapter: variant("rslora"), output: join(temporaryFolder(), "m.gguf") };
    const folder = { ...merging, source: await resolveSource(base) };
    await expect(mergeIntoGguf(folder)).rejects.toThrow(/a base that is no GGUF has no types to keep/);
    await expect(mergeIntoGguf({ ...merging, output: "merged" })).rejects.toThrow(
      /^merged: .* ends in \.gguf/,
    );
    await expect(mergeIntoGguf({ ...merging, output: path })).rejects.toThrow(/would replace its own base/);
  });
});
