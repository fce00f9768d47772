/** SmolLM2 on the CPU: what is computed together, guessed or kept must not show in any text. */
import { getEventListeners } from "node:events";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { Random } from "../data/random.js";
import { LoraAdapter, LoraLayout } from "../models/lora.js";
import type { ModelSession } from "../models/session.js";
import { openSmolLM2 } from "../models/testing/smollm2.js";
import { Batcher, type BatcherOptions, type TextOptions } from "./batcher.js";
import { InferenceEngine, type ServedAdapters } from "./engine.js";
import { LoraBank, type BankedAdapter } from "./lora-bank.js";

let session: ModelSession;
const open: InferenceEngine[] = [];
beforeAll(async () => {
  session = await openSmolLM2();
});
afterAll(async () => {
  for (const engine of open) engine.dispose();
  await session.dispose();
});

function engineOf(adapters?: ServedAdapters, more = {}): InferenceEngine {
  const sizes = { maxRows: 128, maxSequences: 8, maxPositions: 2048 };
  const engine = new InferenceEngine(session, adapters, { activations: "bf16", ...sizes, ...more });
  open.push(engine);
  return engine;
}

const text = (words: string): number[] => session.tokenizer.encode(words);
const SCHEMA =
  "Table orders has the columns order_id int64, customer_id int64, region string, amount float64, day date.\n" +
  "Table customers has the columns customer_id int64, name string, country string.\n";
const prompts = (): number[][] =>
  [
    `${SCHEMA}orders.group_by('region').aggregate(total=orders.amount.sum()) orders.group_by('region').aggregate(`,
    `${SCHEMA}The columns of the table orders are order_id, customer_id,`,
    `${SCHEMA}SELECT region, amount FROM orders WHERE region = 'north' UNION ALL SELECT region,`,
    "one two one two one two one",
    "Repeat: a b c d e f g. a b c d e f g. a b c",
  ].map(text);

/** An adapter that changes what is said. */
function adapterOf(seed: number, rank: number, alpha: number, targets: readonly string[]): BankedAdapter {
  const layout = new LoraLayout(session.config, { rank, alpha, targets });
  const random = Random.of(seed, "test");
  const values = new Float32Array(layout.size);
  for (const { offset, shape, part, fanIn } of layout.matrices) {
    const bound = part === "A" ? 1 / Math.sqrt(fanIn) : 0.02;
    for (let i = 0; i < shape[0] * shape[1]; i++) values[offset + i] = (2 * random.float() - 1) * bound;
  }
  return { layout, values };
}

async function complete(
  engine: InferenceEngine,
  texts: readonly number[][],
  batcher: BatcherOptions,
  options: (index: number) => Partial<TextOptions> = () => ({}),
) {
  const step = vi.spyOn(engine, "step");
  const one = new Batcher(engine, batcher);
  const answers = await Promise.all(
    texts.map((prompt, i) => one.complete(prompt, { maxTokens: 40, stopIds: [], stream: i, ...options(i) })),
  );
  const steps = step.mock.calls.length;
  step.mockRestore();
  return { answers, steps, said: answers.map(({ ids, logprobs }) => ({ ids, logprobs })) };
}
const PLAIN = { draftTokens: 0, promptCache: false };

describe("speculation", () => {
  it.each([
    ["greedy", {}, 0.6],
    ["sampled", { temperature: 0.8, topP: 0.95, topK: 50, seed: 7 }, 0.9],
  ])("gives the tokens and the bits of plain decoding in fewer steps, %s", async (_, sampling, share) => {
    const engine = engineOf();
    const steps = { plain: 0, guessed: 0 };
    for (const prompt of prompts()) {
      const plain = await complete(engine, [prompt], PLAIN, () => sampling);
      const guessed = await complete(
        engine,
        [prompt],
        { draftTokens: 15, promptCache: false },
        () => sampling,
      );
      expect(guessed.said).toEqual(plain.said);
      expect(plain.steps).toBe(40);
      steps.plain += plain.steps;
      steps.guessed += guessed.steps;
    }
    expect(steps.guessed).toBeLessThan(share * steps.plain);
  });
});

describe("a batch", () => {
  it("gives each text the bits that it has alone, whatever its sampling", async () => {
    const engine = engineOf();
    const sampling = (i: number) => (i % 2 === 0 ? {} : { temperature: 0.7, topK: 20 + i, seed: i });
    const together = await complete(engine, prompts(), {}, sampling);
    for (const [i, prompt] of prompts().entries()) {
      const alone = await complete(engine, [prompt], PLAIN, () => ({ stream: i, ...sampling(i) }));
      expect(together.said[i]).toEqual(alone.said[0]);
    }
  });

  it("never guesses more than a step has rows for", async () => {
    const repeating = [prompts()[3] as number[]];
    const narrow = await complete(engineOf(undefined, { maxRows: 4 }), repeating, { draftTokens: 15 });
    const plain = await complete(engineOf(undefined, { maxRows: 4 }), repeating, PLAIN);
    expect(narrow.said).toEqual(plain.said);
    expect(narrow.steps).toBeLessThan(plain.steps);
  });

  it("lets texts in as others leave", async () => {
    const engine = engineOf(undefined, { maxSequences: 2, maxPositions: 320 });
    const together = await complete(engine, prompts(), { promptCache: false });
    const wide = await complete(engineOf(), prompts(), PLAIN);
    expect(together.said).toEqual(wide.said);
  });

  it("answers with several adapters at once, each as if it were the only one", async () => {
    const adapters = [
      adapterOf(1, 8, 16, ["q_proj", "v_proj"]),
      adapterOf(2, 4, 4, ["o_proj", "gate_proj", "down_proj"]),
      adapterOf(3, 8, 32, ["q_proj", "k_proj", "v_proj", "o_proj"]),
    ];
    const prompt = prompts()[1] as number[];
    const say = async (bank: LoraBank) => {
      const each = await complete(engineOf(bank), [prompt, prompt, prompt, prompt], {}, (i) => ({
        adapter: Math.min(i, bank.count) - 1,
      }));
      bank.free();
      return each.said;
    };
    const together = await say(new LoraBank(session.device, session.config, adapters, "f32"));
    const alone = [await complete(engineOf(), [prompt], PLAIN)];
    for (const { layout, values } of adapters) {
      const adapter = new LoraAdapter(session.device, layout, { training: false });
      adapter.load(values);
      alone.push(await complete(engineOf(adapter), [prompt], PLAIN));
      adapter.free();
    }
    // Alpha over rank is folded into B, which is exact for powers of two; padding adds zeros.
    together.forEach((said, i) => expect(said).toEqual(alone[i]?.said[0]));
    expect(new Set(together.map(({ logprobs }) => logprobs.join())).size).toBe(4);

    const rounded = await say(new LoraBank(session.device, session.config, adapters, "bf16"));
    expect(rounded[0]).toEqual(together[0]);
    for (const [i, adapter] of adapters.entries()) {
      const only = await say(new LoraBank(session.device, session.config, [adapter], "bf16"));
      expect(rounded[i + 1]).toEqual(only[1]);
      expect(rounded[i + 1]).not.toEqual(together[i + 1]);
      const first = [rounded, together].map((said) => said[i + 1]!.logprobs[0]!);
      expect(Math.abs(first[0]! - first[1]!)).toBeLessThan(0.05);
    }
  });
});

describe("the prompt cache", () => {
  it("shares the beginning of prompts and changes no bit", async () => {
    const engine = engineOf();
    const plain = await complete(engine, prompts().slice(0, 3), PLAIN);
    const batcher = new Batcher(engine);
    const reused: number[] = [];
    for (const [i, prompt] of prompts().slice(0, 3).entries()) {
      const answer = await batcher.complete(prompt, { maxTokens: 40, stopIds: [], stream: i });
      expect({ ids: answer.ids, logprobs: answer.logprobs }).toEqual(plain.said[i]);
      reused.push(answer.cachedTokens);
    }
    expect(reused[0]).toBe(0);
    expect(reused[1]).toBeGreaterThanOrEqual(32);
    expect(reused[2]).toBeGreaterThanOrEqual(32);
  });
});

describe("a cache in q8_0", () => {
  it("says nearly what one in bf16 says, and keeps its exactness", async () => {
    const exact = await complete(engineOf(), prompts(), PLAIN);
    const engine = engineOf(undefined, { cache: "q8_0" });
    const rounded = await complete(engine, prompts(), PLAIN);
    const guessed = await complete(engine, prompts(), { draftTokens: 7, promptCache: false });
    expect(guessed.said).toEqual(rounded.said);
    // Where the first tokens are the same, so is what the model thinks of the next.
    let compared = 0;
    for (const [i, { ids, logprobs }] of exact.said.entries()) {
      const other = rounded.said[i]!;
      const differs = ids.findIndex((id, at) => id !== other.ids[at]);
      const same = differs < 0 ? ids.length : differs;
      compared += same;
      for (let at = 0; at < same; at++)
        expect(Math.abs(logprobs[at]! - other.logprobs[at]!)).toBeLessThan(0.25);
    }
    expect(compared).toBeGreaterThan(100);
    expect(rounded.said).not.toEqual(exact.said);
  });
});

describe("samples of one prompt", () => {
  it("are independent from stream to stream, as likely as the model says, and the same again", async () => {
    const batcher = new Batcher(engineOf());
    const prompt = text("orders.group_by(");
    const sampling = { maxTokens: 1, stopIds: [], temperature: 1, topK: 4, seed: 5 };
    const draw = (stream: number) => batcher.complete(prompt, { ...sampling, stream });
    const samples = await Promise.all(Array.from({ length: 800 }, (_, stream) => draw(stream)));
    const counts = new Map<number, { seen: number; probability: number }>();
    for (const { ids, logprobs } of samples) {
      const id = ids[0] as number;
      const entry = counts.get(id) ?? { seen: 0, probability: Math.exp(logprobs[0] as number) };
      counts.set(id, { ...entry, seen: entry.seen + 1 });
    }
    const all = [...counts.values()];
    expect(all).toHaveLength(4);
    const total = all.reduce((sum, { probability }) => sum + probability, 0);
    const chiSquare = all.reduce((sum, { seen, probability }) => {
      const expected = (samples.length * probability) / total;
      return sum + (seen - expected) ** 2 / expected;
    }, 0);
    // Three degrees of freedom: beyond 16.3 by chance once in a thousand.
    expect(chiSquare).toBeLessThan(16.3);
    // Neighbouring streams agree as often as two independent draws would.
    const agree = samples.filter(({ ids }, i) => i > 0 && ids[0] === samples[i - 1]?.ids[0]).length;
    const likely = all.reduce((sum, { probability }) => sum + (probability / total) ** 2, 0);
    const spread = Math.sqrt(samples.length * likely * (1 - likely));
    expect(Math.abs(agree - samples.length * likely)).toBeLessThan(4 * spread);
    for (const stream of [799, 7, 0]) expect((await draw(stream)).ids).toEqual(samples[stream]?.ids);
  }, 600_000);
});

describe("a text that goes wrong", () => {
  it("ends alone when its caller aborts or throws", async () => {
    const engine = engineOf();
    const batcher = new Batcher(engine);
    const abort = new AbortController();
    const prompt = prompts()[1] as number[];
    const options = { maxTokens: 20, stopIds: [] };
    const [good, aborted, thrown, waiting] = await Promise.allSettled([
      batcher.complete(prompt, options),
      batcher.complete(prompt, {
        ...options,
        signal: abort.signal,
        onToken: (_, ids) => {
          if (ids.length === 3) abort.abort(new Error("enough"));
        },
      }),
      batcher.complete(prompt, {
        ...options,
        onToken: () => {
          throw new Error("broken pipe");
        },
      }),
      batcher.complete(prompt, { ...options, signal: AbortSignal.abort(new Error("too late")) }),
    ]);
    expect(good.status === "fulfilled" && good.value.ids.length).toBe(20);
    expect(String(aborted.status === "rejected" && aborted.reason)).toContain("enough");
    expect(String(thrown.status === "rejected" && thrown.reason)).toContain("broken pipe");
    expect(String(waiting.status === "rejected" && waiting.reason)).toContain("too late");
    expect(engine.cache.freeBlocks).toBe(engine.cache.blocks);
  });

  it("is refused when it cannot fit, or names no adapter", async () => {
    const batcher = new Batcher(engineOf(undefined, { maxPositions: 64, maxSequences: 1 }));
    const options = { maxTokens: 500, stopIds: [] };
    await expect(batcher.complete([], options)).rejects.toThrow(/no tokens/);
    await expect(batcher.complete([1, 2], options)).rejects.toThrow(/needs 16 cache blocks, there are 3/);
    await expect(batcher.complete(Array<number>(9000).fill(1), options)).rejects.toThrow(/context is 8192/);
    await expect(batcher.complete([1], { ...options, maxTokens: 4, adapter: 0 })).rejects.toThrow(
      /no adapter/,
    );
  });

  it("fails alone when its adapter gives no numbers, and leaves nothing of it behind", async () => {
    const sound = adapterOf(1, 8, 16, ["q_proj", "v_proj"]);
    const broken = adapterOf(2, 8, 16, ["q_proj", "v_proj"]);
    broken.values.fill(NaN);
    const bank = new LoraBank(session.device, session.config, [sound, broken], "f32");
    const prompt = prompts()[1] as number[];
    const options = { maxTokens: 12, stopIds: [] };
    const alone = await new Batcher(engineOf(bank)).complete(prompt, { ...options, adapter: 0 });

    // Few blocks, so that those of the broken text are used again.
    const engine = engineOf(bank, { maxPositions: 160, maxSequences: 3 });
    const batcher = new Batcher(engine);
    for (let round = 0; round < 3; round++) {
      const [good, bad, short] = await Promise.allSettled([
        batcher.complete(prompt, { ...options, adapter: 0 }),
        batcher.complete(prompt, { ...options, adapter: 1 }),
        batcher.complete(prompt.slice(0, 5), { ...options, adapter: 1 }),
      ]);
      for (const wrong of [bad, short]) {
        expect(String(wrong.status === "rejected" && wrong.reason)).toMatch(/sample: .*adapter number 1/);
      }
      expect(good.status === "fulfilled" && good.value.ids).toEqual(alone.ids);
      expect(good.status === "fulfilled" && good.value.logprobs).toEqual(alone.logprobs);
      // What the sound text left is still there; nothing of the broken one is.
      expect(good.status === "fulfilled" && good.value.cachedTokens > 0).toBe(round > 0);
      expect(engine.cache.reuse(prompt, 1, prompt.length).length).toBe(0);
      expect(engine.cache.freeBlocks).toBe(engine.cache.blocks);
    }
    bank.free();
  });

  it("leaves the queue at once, wherever it waits", async () => {
    const engine = engineOf(undefined, { maxSequences: 1 });
    const batcher = new Batcher(engine);
    const abort = new AbortController();
    const prompt = prompts()[3] as number[];
    const options = { maxTokens: 10, stopIds: [] };
    const order: string[] = [];
    const first = batcher.complete(prompt, {
      ...options,
      onToken: (_, ids) => {
        if (ids.length === 2) abort.abort(new Error("no longer wanted"));
      },
    });
    const second = batcher.complete(prompt, options).then(() => order.push("second"));
    const third = batcher.complete(prompt, { ...options, signal: abort.signal });
    const heard = expect(third)
      .rejects.toThrow("no longer wanted")
      .then(() => order.push("third"));
    await Promise.all([first.then(() => order.push("first")), second, heard]);
    expect(order).toEqual(["third", "first", "second"]);
    expect(getEventListeners(abort.signal, "abort")).toHaveLength(0);
  });

  it("hears of an exception between steps, and the batcher goes on", async () => {
    const engine = engineOf(undefined, { maxSequences: 1 });
    const batcher = new Batcher(engine);
    const prompt = prompts()[1] as number[];
    const options = { maxTokens: 5, stopIds: [] };
    vi.spyOn(engine.cache, "reuse").mockImplementationOnce(() => {
      throw new Error("the books are wrong");
    });
    const ended = await Promise.allSettled([
      batcher.complete(prompt, options),
      batcher.complete(prompt, options),
    ]);
    for (const one of ended)
      expect(String(one.status === "rejected" && one.reason)).toContain("books are wrong");
    expect((await batcher.complete(prompt, options)).ids).toHaveLength(5);
    expect(engine.cache.freeBlocks).toBe(engine.cache.blocks);
  });

  it("takes those of its step with it, and the next ones run", async () => {
    const engine = engineOf();
    const batcher = new Batcher(engine);
    const prompt = prompts()[0] as number[];
    const options = { maxTokens: 5, stopIds: [] };
    const wrong = batcher.complete([10 ** 6, 1], options);
    await expect(wrong).rejects.toThrow(/embedding/);
    const answer = await batcher.complete(prompt, options);
    expect(answer.ids).toHaveLength(5);
    expect(answer.cachedTokens).toBe(0);
  });
});
