import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { beforeAll, describe, expect, it } from "vitest";

import { openSafetensors } from "../formats/safetensors.js";
import { Device } from "../runtime/device.js";
import { Decoder, type DecoderOptions, type Recompute } from "./decoder.js";
import { loadDecoderWeights } from "./device-weights.js";
import { LoraAdapter, LoraLayout } from "./lora.js";
import { LINEAR_MODULES, type LinearModule } from "./linears.js";
import { resolveSource } from "./sources.js";
import { goldenTensor, nmse, uploadRows, type GoldenRow } from "./testing/harness.js";
import { openWeights } from "./weights.js";

const goldens = fileURLToPath(new URL("goldens/", import.meta.url));
const adapters: Record<string, readonly LinearModule[]> = {
  qkvo: ["q_proj", "k_proj", "v_proj", "o_proj"],
  all: LINEAR_MODULES,
};

interface Loaded {
  decoder: Decoder;
  rows: GoldenRow[];
  folder: string;
  adapter: string;
}

async function load(
  model: string,
  adapter: string,
  backend: string,
  options: Partial<DecoderOptions> & { threads?: number } = {},
): Promise<Loaded> {
  const folder = path.join(goldens, model);
  const { threads, ...graph } = options;
  const device = Device.open(backend, threads === undefined ? {} : { threads });
  const weights = openWeights(await resolveSource(folder));
  const layout = new LoraLayout(weights.config, { rank: 4, alpha: 8, targets: adapters[adapter] ?? [] });
  const lora = new LoraAdapter(device, layout, { training: true });
  const file = openSafetensors(path.join(folder, `adapter-${adapter}`, "adapter_model.safetensors"));
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, { shape }] of file.tensors) {
    tensors.set(name, { shape, data: (await goldenTensor(file.path, name)) as Float32Array });
  }
  lora.load(layout.pack(tensors));
  device.fill(lora.grads!, 0);
  const loaded = await loadDecoderWeights(device, weights, { weights: graph.activations ?? "f32" });
  const decoder = new Decoder(device, weights.config, loaded, lora, {
    activations: "f32",
    recompute: "none",
    ...graph,
  });
  const { rows } = JSON.parse(readFileSync(path.join(folder, "batch.json"), "utf8")) as { rows: GoldenRow[] };
  return { decoder, rows, folder, adapter };
}

async function logitsOf({ decoder }: Loaded, rows: readonly GoldenRow[]): Promise<Float32Array> {
  const batch = uploadRows(decoder.device, rows);
  const arena = decoder.arenaFor("logits", (planned, counting) => planned.logits(batch, counting));
  return (await decoder.device.readFloats(decoder.logits(batch, arena))) as Float32Array;
}

async function gradientsOf({ decoder }: Loaded, groups: readonly (readonly GoldenRow[])[]) {
  const { device } = decoder;
  const grads = decoder.adapter!.grads!;
  device.fill(grads, 0);
  const losses: number[] = [];
  for (const rows of groups) {
    const batch = uploadRows(device, rows);
    const arena = decoder.arenaFor("step", (planned, counting) => {
      planned.loss(batch, counting, { backward: true });
    });
    const loss = await device.readFloats(decoder.loss(batch, arena, { backward: true }));
    losses.push(...loss);
    arena.free();
  }
  const flat = (await device.readFloats(grads)) as Float32Array;
  return { losses, flat, byName: decoder.adapter!.layout.unpack(flat) };
}

async function expectedLosses({ folder, adapter, rows }: Loaded): Promise<number[]> {
  const all: number[] = [];
  for (let i = 0; i < rows.length; i++) {
    all.push(...(await goldenTensor(path.join(folder, `expected-${adapter}.safetensors`), `row${i}.losses`)));
  }
  return all;
}

/** Losses of the supervised positions. */
const supervised = (losses: readonly number[]): number[] => losses.filter((loss) => loss !== 0);

describe.each([
  ["tiny-llama", "qkvo"],
  ["tiny-llama", "all"],
  ["tiny-mistral", "qkvo"],
  ["tiny-mistral", "all"],
])("%s with adapter %s on the reference backend, against transformers + PEFT", (model, adapter) => {
  let loaded: Loaded;
  let expected: string;
  beforeAll(async () => {
    loaded = await load(model, adapter, "reference");
    expected = path.join(loaded.folder, `expected-${adapter}.safetensors`);
  });

  it("gives the same logits, packed and row by row", async () => {
    const { rows } = loaded;
    const packed = await logitsOf(loaded, rows);
    const golden: number[] = [];
    const single: number[] = [];
    for (let i = 0; i < rows.length; i++) {
      golden.push(...(await goldenTensor(expected, `row${i}.logits`)));
      single.push(...(await logitsOf(loaded, [rows[i] as GoldenRow])));
    }
    expect(nmse(packed, golden)).toBeLessThan(1e-9);
    expect(Array.from(packed)).toEqual(single);
  });

  it("gives the same losses and every LoRA gradient", async () => {
    const { losses, byName } = await gradientsOf(loaded, [loaded.rows]);
    expect(nmse(supervised(losses), await expectedLosses(loaded))).toBeLessThan(1e-9);
    const names = [...byName.keys()];
    expect(names).toHaveLength(2 * 2 * (adapters[adapter]?.length ?? 0));
    for (const name of names) {
      const gradient = byName.get(name)?.data ?? [];
      expect(nmse(gradient, await goldenTensor(expected, `grad.${name}`)), name).toBeLessThan(1e-9);
    }
  });
});

describe("the graph on the cpu backend", () => {
  it.each(["f32", "bf16"] as const)(
    "gives packed rows the logits that they have alone, in %s",
    async (activations) => {
      const loaded = await load("tiny-llama", "all", "cpu", { activations });
      const packed = await logitsOf(loaded, loaded.rows);
      const single: number[] = [];
      for (const row of loaded.rows) single.push(...(await logitsOf(loaded, [row])));
      expect(nmse(packed, single)).toBeLessThan(activations === "f32" ? 1e-11 : 1e-4);
    },
  );
});

describe.each([
  ["reference", "f32"],
  ["cpu", "f32"],
  ["cpu", "bf16"],
] as const)("the graph on the %s backend in %s", (backend, activations) => {
  it("gives the same bits with and without recompute, in two runs and with 1 thread or 2", async () => {
    const reload = (options: { threads: number; recompute?: Recompute }) =>
      load("tiny-llama", "all", backend, { activations, ...options });
    const base = await reload({ threads: 2 });
    const { losses, flat } = await gradientsOf(base, [base.rows]);
    const others = [await gradientsOf(base, [base.rows])];
    const same = [
      { threads: 1 },
      { threads: 2, recompute: "mlp" },
      { threads: 2, recompute: "layer" },
    ] as const;
    for (const options of same) {
      const other = await reload(options);
      others.push(await gradientsOf(other, [other.rows]));
    }
    for (const other of others) {
      expect(other.losses).toEqual(losses);
      expect(other.flat).toEqual(flat);
    }
    expect(flat.some((value) => value !== 0)).toBe(true);
  });
});

describe.each(["reference", "cpu"])("the graph on the %s backend", (backend) => {
  it("adds the gradients of micro-batches to those of the whole batch", async () => {
    const loaded = await load("tiny-mistral", "all", backend);
    const [a, b, c] = loaded.rows as [GoldenRow, GoldenRow, GoldenRow];
    const rows = [a, b, c, { ids: b.ids, mask: b.ids.map((_, i) => (i > 2 ? 1 : 0)) }];
    const whole = await gradientsOf(loaded, [rows]);
    const accumulated = await gradientsOf(
      loaded,
      rows.map((row) => [row]),
    );
    expect(nmse(accumulated.losses, whole.losses)).toBeLessThan(1e-11);
    expect(nmse(accumulated.flat, whole.flat)).toBeLessThan(1e-11);
  });
});

it("keeps T x D in place of T x 2F of each layer with `mlp`", async () => {
  const peakOf = async (recompute: Recompute): Promise<number> => {
    const { decoder, rows } = await load("tiny-llama", "all", "cpu", { activations: "bf16", recompute });
    const batch = uploadRows(decoder.device, rows);
    return decoder.arenaFor("step", (planned, counting) => {
      planned.loss(batch, counting, { backward: true });
    }).capacity;
  };
  const { decoder, rows } = await load("tiny-llama", "all", "cpu");
  const { layers, hiddenSize, intermediateSize } = decoder.config;
  const tokens = rows.reduce((sum, { ids }) => sum + ids.length, 0);
  const aligned = (columns: number): number => Math.ceil((2 * tokens * columns) / 64) * 64;
  const [none, mlp, layer] = [await peakOf("none"), await peakOf("mlp"), await peakOf("layer")];
  // One layer's gateUp may come back while the peak is reached.
  const kept = layers * aligned(hiddenSize);
  expect(none - mlp).toBeGreaterThanOrEqual((layers - 1) * aligned(2 * intermediateSize) - kept);
  expect(none - mlp).toBeLessThanOrEqual(layers * aligned(2 * intermediateSize) - kept);
  expect(mlp).toBeLessThan(none);
  expect(layer).toBeLessThan(mlp);
});
