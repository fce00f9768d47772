import { rmSync } from "node:fs";
import { join } from "node:path";

import { expect, it, vi } from "vitest";

import { Random } from "./data/random.js";
import { temporaryFolder } from "./formats/testing/temporary.js";
import { IBertModel } from "./index.js";
import { saveAdapter } from "./models/adapter-file.js";
import type { ModelConfig } from "./models/config.js";
import { LoraLayout, type LoraConfig } from "./models/lora.js";
import { ModelSession } from "./models/session.js";
import { smallAdapterFacts, writeSmallModel } from "./models/testing/small-model.js";

/** An adapter that changes what is said. */
async function writeAdapter(folder: string, model: ModelConfig, seed: number, lora: LoraConfig) {
  const layout = new LoraLayout(model, lora);
  const random = Random.of(seed, "swap");
  const tensors = new Map(
    [...layout.unpack(new Float32Array(layout.size))].map(([name, { shape, data }]) => [
      name,
      { shape, data: data.map(() => random.float() - 0.5) },
    ]),
  );
  await saveAdapter(folder, layout, layout.pack(tensors), smallAdapterFacts());
}

async function setUp() {
  const folder = temporaryFolder();
  const base = join(folder, "base");
  const config = await writeSmallModel(base, undefined, { vocab_size: 258 });
  const [first, second] = [join(folder, "first"), join(folder, "second")];
  await writeAdapter(first, config, 1, { rank: 2, alpha: 4, targets: ["q_proj", "v_proj"] });
  await writeAdapter(second, config, 2, {
    rank: 3,
    alpha: 5,
    rsLora: true,
    targets: "all-linear",
    rankPattern: { k_proj: 5 },
  });
  return { folder, base, first, second };
}

const ask = (model: IBertModel, adapter?: string, extra: object = {}) =>
  model
    .generate({
      prompt: "How do I count the rows of a table?",
      taskType: "qa",
      validateWithCompiler: false,
      maxTokens: 12,
      ...(adapter === undefined ? {} : { adapter }),
      ...extra,
    })
    .then(({ text }) => text);

/** What a model says that was loaded with the adapters at once. */
async function expected({ base, first, second }: Awaited<ReturnType<typeof setUp>>) {
  await using model = await IBertModel.load({ base, backend: "cpu", adapters: { first, second } });
  const texts = await Promise.all(["base", "first", "second"].map((name) => ask(model, name)));
  expect(new Set(texts).size).toBe(3);
  return texts as [string, string, string];
}

it("swaps adapters while it runs, each answering as it does when it is loaded with the base", async () => {
  const files = await setUp();
  const [plain, one, two] = await expected(files);
  await using model = await IBertModel.load({ base: files.base, backend: "cpu" });
  const open = vi.spyOn(ModelSession, "open");
  const held = model["session"].device.memory.held;
  expect(await ask(model)).toBe(plain);

  await model.loadAdapter("mine", files.first);
  expect(model.adapters).toEqual(["base", "mine"]);
  expect(await ask(model, "mine")).toBe(one);
  expect(await ask(model)).toBe(plain);

  // The prompt is in the cache by now, under the number that the second has next.
  await model.loadAdapter("mine", files.second);
  expect(await ask(model, "mine")).toBe(two);
  await model.loadAdapter("other", files.first);
  expect(await Promise.all([ask(model, "other"), ask(model, "mine"), ask(model)])).toEqual([one, two, plain]);

  await model.unloadAdapter("mine");
  expect(await ask(model, "other")).toBe(one);
  await expect(ask(model, "mine")).rejects.toMatchObject({ code: "adapter-unknown" });
  await model.unloadAdapter("other");
  expect(await ask(model)).toBe(plain);
  expect(model["session"].device.memory.held).toBe(held);
  expect(open).not.toHaveBeenCalled();
  open.mockRestore();
});

it("answers requests made before a swap with the old adapter, and lets new ones wait", async () => {
  const files = await setUp();
  const [, one, two] = await expected(files);
  await using model = await IBertModel.load({
    base: files.base,
    backend: "cpu",
    adapters: { a: files.first },
  });
  const before = [ask(model, "a"), ask(model, "a", { seed: 1 })];
  const done: string[] = [];
  const swaps = [model.loadAdapter("a", files.second), model.loadAdapter("b", files.first)];
  const [last] = swaps.slice(-1);
  const waiting = last?.then(() => Promise.all([ask(model, "a"), ask(model, "b")]));
  void before[0]?.then(() => done.push("before"));
  void swaps[0]?.then(() => done.push("swap"));
  expect(await Promise.all(before)).toEqual([one, one]);
  expect(await waiting).toEqual([two, one]);
  expect(done).toEqual(["before", "swap"]);
});

it("stays as it was where a swap fails, and lets go of requests that no longer wait", async () => {
  const files = await setUp();
  const [plain, one] = await expected(files);
  const model = await IBertModel.load({ base: files.base, backend: "cpu", adapters: { a: files.first } });
  await expect(model.loadAdapter("base", files.second)).rejects.toThrow(/"base" names the model without one/);
  await expect(model.loadAdapter("", files.second)).rejects.toThrow(/an adapter needs a name/);
  await expect(model.unloadAdapter("b")).rejects.toThrow(/no adapter "b"[^]*base, a\./);
  rmSync(files.second, { recursive: true });
  await expect(model.loadAdapter("a", files.second)).rejects.toMatchObject({ code: "file-missing" });
  expect(await Promise.all([ask(model, "a"), ask(model)])).toEqual([one, plain]);

  const long = await ask(model, "a", { maxTokens: 40 });
  const open = ask(model, "a", { maxTokens: 40 });
  const swap = model.unloadAdapter("a");
  for (let turn = 0; turn < 100 && model["swapping"] === undefined; turn++) await Promise.resolve();
  expect(model["swapping"]).toBeDefined();
  const left = ask(model, "base", { signal: AbortSignal.abort(new Error("enough")) });
  await expect(left).rejects.toThrow("enough");
  const late = ask(model, "a");
  const [swapped, refused, answered] = await Promise.allSettled([swap, late, open]);
  expect(swapped.status).toBe("fulfilled");
  expect(answered).toMatchObject({ value: long });
  expect(refused).toMatchObject({ reason: { code: "adapter-unknown" } });

  await model.dispose();
  await expect(model.loadAdapter("a", files.first)).rejects.toMatchObject({ code: "model-disposed" });
});
