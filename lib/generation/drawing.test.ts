/** Rows of one step that are each drawn in their own way, on the tiny model. */
import path from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { loadDecoderWeights } from "../models/device-weights.js";
import { resolveSource } from "../models/sources.js";
import { openWeights } from "../models/weights.js";
import { Device } from "../runtime/device.js";
import { Batcher, type BatcherOptions, type TextOptions } from "./batcher.js";
import { maskWords } from "./drawing.js";
import { InferenceEngine } from "./engine.js";

const TINY = path.join(fileURLToPath(new URL("../models/goldens/", import.meta.url)), "tiny-llama");
const PLAIN = { draftTokens: 0, promptCache: false };

let device: Device;
let engine: InferenceEngine;
beforeAll(async () => {
  device = Device.open("cpu", { threads: 1 });
  const files = openWeights(await resolveSource(TINY));
  const weights = await loadDecoderWeights(device, files, { weights: "bf16" });
  engine = new InferenceEngine({ device, config: files.config, weights }, undefined, {
    activations: "bf16",
    maxRows: 64,
    maxSequences: 8,
    maxPositions: 1024,
  });
});
afterAll(async () => {
  engine.dispose();
  await device.close();
});

const prompts = Array.from({ length: 5 }, (_, i) =>
  Array.from({ length: 9 + i }, (_, t) => 3 + ((t * i) % 40)),
);

async function complete(
  texts: readonly number[][],
  batcher: BatcherOptions,
  options: (index: number) => Partial<TextOptions>,
) {
  const step = vi.spyOn(engine, "step");
  const one = new Batcher(engine, batcher);
  const answers = await Promise.all(
    texts.map((prompt, i) => one.complete(prompt, { maxTokens: 24, stopIds: [], stream: i, ...options(i) })),
  );
  const steps = step.mock.calls.length;
  step.mockRestore();
  return { steps, said: answers.map(({ ids, logprobs }) => ({ ids, logprobs })) };
}

describe("settings of a row", () => {
  it("take one op and one recording, whatever they are", async () => {
    const record = vi.spyOn(device, "record");
    const sampling = (i: number) => ({ temperature: i / 4, topP: 1 - i / 10, topK: 5 * i, seed: 3 });
    const eight = Array.from({ length: 8 }, () => prompts[1] as number[]);
    const together = await complete(eight, PLAIN, sampling);
    const recordings = record.mock.calls.length;
    await complete(eight, PLAIN, (i) => ({ ...sampling(7 - i), topP: 0.93 - i / 20 }));
    expect(record.mock.calls.length).toBe(recordings);
    record.mockRestore();
    for (const i of eight.keys()) {
      const alone = await complete([prompts[1] as number[]], PLAIN, () => ({ stream: i, ...sampling(i) }));
      expect(together.said[i]).toEqual(alone.said[0]);
    }
  });

  it("are refused by name and value", async () => {
    const batcher = new Batcher(engine);
    for (const [wrong, message] of [
      [{ temperature: -1 }, "temperature is -1, but must be 0 or above"],
      [{ temperature: 1e300 }, "temperature is 1e+300, but must be 0 or above, and finite"],
      [{ topP: 1.5 }, "topP is 1.5, but must be in [0, 1]"],
      [{ topK: -2 }, "topK is -2, but must be a whole number"],
    ] as const) {
      await expect(batcher.complete([1], { maxTokens: 1, stopIds: [], ...wrong })).rejects.toThrow(message);
    }
  });

  it("that the op refuses name their row and value", async () => {
    const drawing = { temperature: 1, topP: 1, topK: 0, uniform: [0.5] };
    await complete(prompts.slice(0, 2), PLAIN, () => ({ maxTokens: 2 }));
    for (const [wrong, message] of [
      [{ temperature: -1 }, "sample: temperature[1] is -1, "],
      [{ topP: 1.5 }, "sample: topP[1] is 1.5, "],
      [{ topK: -2 }, "sample: topK[1] is -2, "],
    ] as const) {
      await expect(engine.drawer.draw([drawing, { ...drawing, ...wrong }])).rejects.toThrow(message);
    }
  });
});

describe("a mask", () => {
  const words = () => maskWords(engine.config.vocabSize);
  const maskOf = (ids: Iterable<number>): Uint32Array => {
    const mask = new Uint32Array(words());
    for (const id of ids) mask[id >>> 5]! |= 1 << (id & 31);
    return mask;
  };

  it.each([
    ["greedy", {}],
    ["sampled", { temperature: 1.5, seed: 11 }],
  ])("is never left, guessed ahead or not, and no other text notices, %s", async (_, sampling) => {
    // Which ids are allowed depends on the ids so far.
    const allowed = (ids: readonly number[]) => {
      const start = 10 + 7 * ((ids.at(-1) ?? 0) % 3);
      return Array.from({ length: 5 }, (_, i) => start + i);
    };
    const allow = (ids: readonly number[]) => maskOf(allowed(ids));
    const options = (i: number) => ({ ...sampling, ...(i % 2 === 0 ? { allow } : {}) });
    const together = await complete(prompts, {}, options);
    together.said.forEach(({ ids }, i) => {
      if (i % 2 === 0) ids.forEach((id, at) => expect(allowed(ids.slice(0, at))).toContain(id));
    });
    for (const [i, prompt] of prompts.entries()) {
      const alone = await complete([prompt], PLAIN, () => ({ stream: i, ...options(i) }));
      expect(together.said[i]).toEqual(alone.said[0]);
    }
  });

  it("is asked at each guess", async () => {
    const forced = (ids: readonly number[]) => maskOf([40 + (ids.length % 3)]);
    const guessed = await complete(prompts.slice(3, 4), { draftTokens: 15 }, () => ({ allow: forced }));
    expect(guessed.said[0]?.ids).toEqual(Array.from({ length: 24 }, (_, i) => 40 + (i % 3)));
    expect(guessed.steps).toBeLessThan(16);
  });

  it("that is wrong fails its text alone", async () => {
    const batcher = new Batcher(engine);
    const prompt = prompts[1] as number[];
    const options = { maxTokens: 6, stopIds: [] };
    const later = (mask: () => Uint32Array) => (ids: readonly number[]) =>
      ids.length < 2 ? new Uint32Array(words()).fill(2 ** 32 - 1) : mask();
    const throwing = () => {
      throw new Error("no such state");
    };
    const [good, none, long, thrown] = await Promise.allSettled([
      batcher.complete(prompt, options),
      batcher.complete(prompt, { ...options, allow: later(() => maskOf([])) }),
      batcher.complete(prompt, { ...options, allow: () => new Uint32Array(words() + 1) }),
      batcher.complete(prompt, { ...options, allow: later(throwing) }),
    ]);
    const reason = (one: PromiseSettledResult<unknown>) =>
      String(one.status === "rejected" && (one.reason as Error));
    expect(reason(none)).toContain("the mask of new token 2 allows no id");
    expect(reason(long)).toContain(`the mask of new token 0 has ${words() + 1} words, but must be`);
    expect(reason(thrown)).toContain("no such state");
    const alone = await complete([prompt], PLAIN, () => ({ maxTokens: 6 }));
    expect(good.status === "fulfilled" && good.value.ids).toEqual(alone.said[0]?.ids);
    expect(good.status === "fulfilled" && good.value.logprobs).toEqual(alone.said[0]?.logprobs);
    expect(engine.cache.freeBlocks).toBe(engine.cache.blocks);
  });
});
