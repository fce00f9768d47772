/** Batched generation: sequences join and leave the running batch at every step. */
import { Random } from "../data/random.js";
import { IBertError } from "../errors.js";
import type { Tensor } from "../runtime/tensor.js";
import type { InferenceEngine } from "./inference.js";
import { KvCache, type CachedSequence } from "./kv-cache.js";

export interface SamplingOptions {
  /** New tokens at most. */
  maxTokens: number;
  /** 0 is greedy. */
  temperature?: number;
  /** Nucleus: the smallest set of ids with at least this probability. */
  topP?: number;
  /** Ids considered; 0 for all. */
  topK?: number;
  seed?: number;
  /** Ids that end a text; they are not part of it. */
  stopIds: readonly number[];
  /** Called with each new token of prompt `index`; true ends that text. */
  onToken?: (index: number, id: number, ids: readonly number[]) => boolean | void;
  /** Called when the text of prompt `index` has ended. */
  onFinish?: (index: number) => void;
  signal?: AbortSignal | undefined;
}

export interface Completion {
  /** Generated ids, without the id that ended the text. */
  ids: number[];
  /** Log-probability of each id under the model (temperature 1). */
  logprobs: number[];
  /** `stop`: a stop id or `onToken`; `length`: maxTokens or the context is used up. */
  finish: "stop" | "length";
}

interface Running {
  index: number;
  sequence: CachedSequence;
  /** Tokens that the cache does not hold yet. */
  pending: number[];
  /** Positions that the text may come to need. */
  reserved: number;
  random: Random;
  completion: Completion;
}

/**
 * Completes every prompt (ids). Sampling is per prompt: a text does not depend on what else is in the batch, beyond the
 * rounding of the kernels for other numbers of rows.
 */
export async function generate(
  engine: InferenceEngine,
  prompts: readonly (readonly number[])[],
  options: SamplingOptions,
): Promise<Completion[]> {
  const { maxTokens, temperature = 0, topP = 1, topK = 0, seed = 0 } = options;
  const { contextLength } = engine.config;
  const stop = new Set(options.stopIds);
  const results: Completion[] = prompts.map(() => ({ ids: [], logprobs: [], finish: "length" }));
  prompts.forEach((prompt, index) => {
    if (prompt.length === 0) throw new IBertError("prompt-empty", `prompt ${index + 1} has no tokens`);
    if (prompt.length >= contextLength) {
      throw new IBertError(
        "prompt-too-long",
        `prompt ${index + 1} has ${prompt.length} tokens, the model's context is ${contextLength}`,
        { hint: "Shorten the prompt or its schema; at least one position must be left for the answer." },
      );
    }
  });
  let nextPrompt = 0;
  let reservedBlocks = 0;
  const running: Running[] = [];
  const totalBlocks = engine.cache.freeBlocks;

  const admit = (): void => {
    while (nextPrompt < prompts.length && running.length < engine.options.maxSequences) {
      const prompt = prompts[nextPrompt] as readonly number[];
      const reserved = KvCache.blocksFor(Math.min(prompt.length + maxTokens, contextLength));
      if (reservedBlocks + reserved > totalBlocks) {
        if (running.length > 0) return;
        throw new IBertError(
          "cache-too-small",
          `prompt ${nextPrompt + 1} with ${maxTokens} new tokens needs ${reserved} cache blocks, there are ${totalBlocks}`,
          { hint: "Ask for fewer new tokens, or give the engine more positions (IBertConfig's maxContext)." },
        );
      }
      reservedBlocks += reserved;
      running.push({
        index: nextPrompt,
        sequence: { blocks: [], length: 0 },
        pending: [...prompt],
        reserved,
        random: Random.of(seed, "sample", nextPrompt),
        completion: results[nextPrompt] as Completion,
      });
      nextPrompt++;
    }
  };

  const finish = (text: Running, reason: Completion["finish"]): void => {
    text.completion.finish = reason;
    engine.cache.release(text.sequence);
    reservedBlocks -= text.reserved;
    running.splice(running.indexOf(text), 1);
    options.onFinish?.(text.index);
  };

  try {
    for (admit(); running.length > 0; admit()) {
      options.signal?.throwIfAborted();
      const { batch, complete } = takeRows(running, engine.options.maxRows);
      const logits = engine.step(batch.map(({ text, tokens }) => ({ sequence: text.sequence, tokens })));
      const uniform = Float32Array.from(batch, ({ text }, i) => (complete[i] ? text.random.float() : 0));
      const { ids, logprobs } = await sample(engine, logits, { temperature, topP, topK, uniform });
      batch.forEach(({ text }, i) => {
        if (!complete[i]) return; // more of its prompt is to come
        const id = ids[i] as number;
        if (stop.has(id)) return finish(text, "stop");
        text.completion.ids.push(id);
        text.completion.logprobs.push(logprobs[i] as number);
        if (options.onToken?.(text.index, id, text.completion.ids) === true) return finish(text, "stop");
        const full = text.sequence.length + 1 >= contextLength;
        if (text.completion.ids.length >= maxTokens || full) return finish(text, "length");
        text.pending.push(id);
      });
    }
  } finally {
    for (const text of running) engine.cache.release(text.sequence);
  }
  return results;
}

/** The pending tokens of the batch, oldest texts first, up to the rows of one step. */
function takeRows(running: readonly Running[], maxRows: number) {
  const batch: { text: Running; tokens: number[] }[] = [];
  const complete: boolean[] = [];
  let rows = 0;
  for (const text of running) {
    const tokens = text.pending.splice(0, maxRows - rows);
    if (tokens.length === 0) break;
    rows += tokens.length;
    batch.push({ text, tokens });
    complete.push(text.pending.length === 0);
  }
  return { batch, complete };
}

async function sample(
  engine: InferenceEngine,
  logits: Tensor,
  options: { temperature: number; topP: number; topK: number; uniform: Float32Array },
): Promise<{ ids: Int32Array; logprobs: Float32Array }> {
  const { device } = engine;
  const count = logits.shape[0] ?? 0;
  const { temperature, topP, topK } = options;
  const ids = device.empty([count], "i32");
  const logprob = device.empty([count], "f32");
  const uniform = device.from(options.uniform, [count], "f32");
  device.ops.sample({ logits, uniform, ids, logprob, temperature, topP, topK });
  const logprobs = (await device.readFloats(logprob)) as Float32Array;
  const result = { ids: await device.readInts(ids), logprobs };
  for (const tensor of [ids, logprob, uniform]) device.free(tensor);
  return result;
}
