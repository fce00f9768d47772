/** Continuous batching: texts join the running batch when there is room, and leave it when they end. */
import { Random } from "../data/random.js";
import { IBertError } from "../errors.js";
import { EXACT_ROWS } from "../runtime/ops.generated.js";
import { AbortListeners } from "./abort-listeners.js";
import { masksOf, requireSampling, type Allow, type Drawing, type Drawn } from "./drawing.js";
import type { InferenceEngine } from "./engine.js";
import { KvCache, type CachedSequence } from "./kv-cache.js";
import { promptLookup } from "./prompt-lookup.js";

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
  /** Number of the adapter that answers, -1 for the base model; default the first, if there is one. */
  adapter?: number;
  signal?: AbortSignal | undefined;
}

export interface TextOptions extends SamplingOptions {
  /** Names the text's stream of random numbers beside `seed`. */
  stream?: number;
  /** Called with each new token; true ends the text. */
  onToken?: (id: number, ids: readonly number[]) => boolean | void;
  /** Limits the text to ids that it allows; an exception, or a mask that allows nothing, ends this text alone. */
  allow?: Allow;
}

export interface Completion {
  /** Generated ids, without the id that ended the text. */
  ids: number[];
  /** Log-probability of each id under the model (temperature 1). */
  logprobs: number[];
  /** `stop`: a stop id or `onToken`; `length`: maxTokens or the context is used up. */
  finish: "stop" | "length";
  /** Tokens of the prompt that the cache already held. */
  cachedTokens: number;
}

export interface BatcherOptions {
  /** Tokens guessed ahead at most (promptLookup); 0 for none. A wrong guess costs time, never a token. Default 7. */
  draftTokens?: number;
  /** Whether prompts that begin alike share what was computed of them. Default true. */
  promptCache?: boolean;
}

/** A text that runs or waits. */
interface Text {
  readonly prompt: readonly number[];
  readonly options: TextOptions & { temperature: number; topP: number; topK: number; adapter: number };
  readonly stop: ReadonlySet<number>;
  readonly random: Random;
  /** Random numbers of the outputs to come: of a rejected guess they are used again, so that speculation changes nothing. */
  readonly uniform: number[];
  /** Prompt and answer. */
  readonly tokens: number[];
  readonly completion: Completion;
  /** Cache blocks that it may come to need. */
  readonly blocks: number;
  sequence: CachedSequence;
  /** Tokens to guess in the next step. */
  guesses: number;
  readonly resolve: (completion: Completion) => void;
  readonly reject: (reason: unknown) => void;
}

/** What one text puts into a step. */
interface Part {
  text: Text;
  tokens: number[];
  outputs: number;
  /** One an output, of a text with `allow`. */
  masks?: readonly Uint32Array[] | undefined;
}

/**
 * Runs texts on one engine. While at most EXACT_ROWS texts run at a time, a text's tokens depend on its prompt, its adapter
 * and its sampling alone: prompts are computed apart from next tokens, and up to EXACT_ROWS rows of a step have the bits
 * that each would have by itself. Of more texts the rows agree with that up to rounding.
 */
export class Batcher {
  private readonly waiting: Text[] = [];
  private readonly running: Text[] = [];
  private reserved = 0;
  private readonly aborts = new AbortListeners();
  private working = false;
  private readonly draftTokens: number;
  private readonly promptCache: boolean;

  constructor(
    private readonly engine: InferenceEngine,
    { draftTokens = 7, promptCache = true }: BatcherOptions = {},
  ) {
    this.draftTokens = draftTokens;
    this.promptCache = promptCache;
  }

  /**
   * Completes a prompt (ids).
   * @throws IBertError when the prompt is empty, or does not fit the context or the cache
   */
  async complete(prompt: readonly number[], options: TextOptions): Promise<Completion> {
    const { engine } = this;
    const blocks = this.requireRoom(prompt, options.maxTokens);
    const adapter = options.adapter ?? (engine.adapters === undefined ? -1 : 0);
    if (!Number.isInteger(adapter) || adapter < -1 || adapter >= (engine.adapters?.count ?? 0)) {
      throw new IBertError("argument-invalid", `there is no adapter number ${adapter}`);
    }
    const { temperature = 0, topP = 1, topK = 0, seed = 0, stream = 0 } = options;
    requireSampling({ temperature, topP, topK });
    const { signal } = options;
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      let forget: (() => void) | undefined;
      const text: Text = {
        prompt,
        options: { ...options, temperature, topP, topK, adapter },
        stop: new Set(options.stopIds),
        random: Random.of(seed, "sample", stream),
        uniform: [],
        tokens: [...prompt],
        completion: { ids: [], logprobs: [], finish: "length", cachedTokens: 0 },
        blocks,
        sequence: { blocks: [], length: 0 },
        guesses: Math.min(3, this.draftTokens),
        resolve: (completion) => {
          forget?.();
          resolve(completion);
        },
        reject: (reason) => {
          forget?.();
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason may be anything
          reject(reason);
        },
      };
      // A text that waits leaves at once; one that runs leaves between two steps.
      const leave = (): void => {
        const place = this.waiting.indexOf(text);
        if (place < 0) return;
        this.waiting.splice(place, 1);
        text.reject(signal?.reason);
      };
      if (signal !== undefined) forget = this.aborts.add(signal, leave);
      this.waiting.push(text);
      if (!this.working) void this.work();
    });
  }

  private requireRoom(prompt: readonly number[], maxTokens: number): number {
    const { contextLength } = this.engine.config;
    if (prompt.length === 0) throw new IBertError("prompt-empty", "the prompt has no tokens");
    if (prompt.length >= contextLength) {
      throw new IBertError(
        "prompt-too-long",
        `the prompt has ${prompt.length} tokens, the model's context is ${contextLength}`,
        { hint: "Shorten the prompt or its schema; at least one position must be left for the answer." },
      );
    }
    const blocks = KvCache.blocksFor(Math.min(prompt.length + maxTokens, contextLength));
    if (blocks > this.engine.cache.blocks) {
      throw new IBertError(
        "cache-too-small",
        `a prompt of ${prompt.length} tokens with ${maxTokens} new ones needs ${blocks} cache blocks, there are ` +
          `${this.engine.cache.blocks}`,
        { hint: "Ask for fewer new tokens, or give the engine more positions (IBertConfig's maxContext)." },
      );
    }
    return blocks;
  }

  private async work(): Promise<void> {
    this.working = true;
    try {
      // Texts that were given together start together.
      await Promise.resolve();
      for (this.admit(); this.running.length > 0; this.admit()) {
        this.dropAborted();
        if (this.running.length === 0) continue;
        const parts = this.nextStep().filter((part) => this.mask(part));
        if (parts.length === 0) continue;
        try {
          await this.run(parts);
        } catch (error) {
          // Nothing that the step was to compute can be trusted.
          for (const text of [...this.running]) this.end(text, () => text.reject(error));
          this.engine.cache.forget();
        }
      }
    } catch (error) {
      // Outside a step something is wrong with the batcher's own books: all who wait hear of it.
      for (const text of [...this.running]) this.end(text, () => text.reject(error));
      for (const text of this.waiting.splice(0)) text.reject(error);
      this.engine.cache.forget();
    } finally {
      this.working = false;
    }
  }

  /** Lets waiting texts in, in their order, as long as slots and cache are enough for all that they may come to need. */
  private admit(): void {
    const { cache, options } = this.engine;
    for (let text = this.waiting[0]; text !== undefined; text = this.waiting[0]) {
      if (this.running.length === options.maxSequences || this.reserved + text.blocks > cache.blocks) return;
      this.waiting.shift();
      this.reserved += text.blocks;
      this.running.push(text);
      if (!this.promptCache) continue;
      // More than EXACT_ROWS rows are left, as a whole prompt has: they are computed in the same way, with the same bits.
      text.sequence = cache.reuse(text.prompt, text.options.adapter, text.prompt.length - EXACT_ROWS - 1);
      text.completion.cachedTokens = text.sequence.length;
    }
  }

  private dropAborted(): void {
    for (const text of [...this.running]) {
      const { signal } = text.options;
      if (signal?.aborted === true) this.end(text, () => text.reject(signal.reason));
    }
  }

  /** The rows of the next step: prompts of one adapter, oldest first; or else the next token of every text. */
  private nextStep(): Part[] {
    const { maxRows } = this.engine.options;
    const unread = ({ prompt, sequence }: Text): number => prompt.length - sequence.length;
    const first = this.running.find((text) => unread(text) > 0);
    if (first !== undefined) {
      // A short prompt is computed with short ones, so that its rows are, too, what they would be by themselves.
      const short = unread(first) <= EXACT_ROWS;
      const parts: Part[] = [];
      let room = short ? Math.min(maxRows, EXACT_ROWS) : maxRows;
      for (const text of this.running) {
        const length = unread(text);
        if (length <= 0 || length <= EXACT_ROWS !== short) continue;
        if (text.options.adapter !== first.options.adapter) continue;
        const rows = rowsOf(length, room) || (text === first ? Math.min(length, room) : 0);
        if (rows <= 0) continue;
        room -= rows;
        const start = text.sequence.length;
        const tokens = text.prompt.slice(start, start + rows);
        parts.push({ text, tokens, outputs: rows === length ? 1 : 0 });
      }
      return parts;
    }
    const spare = Math.min(EXACT_ROWS, maxRows) - this.running.length;
    const share = spare > 0 ? Math.floor(spare / this.running.length) : 0;
    return this.running.map((text) => {
      const left = text.options.maxTokens - text.completion.ids.length - 1;
      const room = this.engine.config.contextLength - text.tokens.length - 1;
      const guess = promptLookup(text.tokens, Math.min(share, text.guesses, left, room));
      return { text, tokens: [text.tokens.at(-1) as number, ...guess], outputs: 1 + guess.length };
    });
  }

  /** Asks a text's `allow` for the masks of its outputs; guesses end where one is not allowed. False: the text has ended. */
  private mask(part: Part): boolean {
    const { text, tokens, outputs } = part;
    const { allow } = text.options;
    if (allow === undefined || outputs === 0) return true;
    const guess = outputs > 1 ? tokens.slice(1) : [];
    // Nothing comes after a stop id.
    const stop = guess.findIndex((id) => text.stop.has(id));
    if (stop >= 0) guess.length = stop;
    try {
      part.masks = masksOf(allow, text.completion.ids, guess, this.engine.config.vocabSize);
    } catch (error) {
      this.end(text, () => text.reject(error));
      return false;
    }
    if (outputs > 1) part.tokens = tokens.slice(0, part.masks.length);
    part.outputs = part.masks.length;
    return true;
  }

  private async run(parts: readonly Part[]): Promise<void> {
    const { engine } = this;
    const starts = parts.map(({ text }) => text.sequence.length);
    engine.step(
      parts.map(({ text, tokens, outputs }) => ({
        sequence: text.sequence,
        tokens,
        adapter: text.options.adapter,
        outputs,
      })),
    );
    if (parts.every(({ outputs }) => outputs === 0)) {
      await engine.device.synchronize();
      return;
    }
    const drawn = await this.draw(parts);
    parts.forEach(({ text, tokens, outputs }, i) => {
      const own = drawn[i] as Drawn | { error: unknown };
      if ("error" in own) {
        // What it computed is not kept for other texts.
        this.end(text, () => text.reject(own.error));
        return;
      }
      if (text.sequence.length === text.prompt.length && this.promptCache) {
        engine.cache.keep(text.sequence, text.prompt, text.options.adapter);
      }
      if (outputs === 0) return;
      const taken = this.take(text, own.ids, own.logprobs, tokens);
      if (taken === undefined) return;
      // The first of `tokens` was known; of the guesses those count that were drawn.
      if (outputs > 1) {
        engine.cache.truncate(text.sequence, (starts[i] as number) + taken);
        text.guesses = taken === outputs ? Math.min(this.draftTokens, text.guesses + 2) : Math.max(1, taken);
      }
    });
  }

  /** What each part drew. Of rows whose logits are no numbers only the own text fails. */
  private async draw(parts: readonly Part[]): Promise<(Drawn | { error: unknown })[]> {
    const drawings = parts.map(({ text, outputs, masks }): Drawing => {
      const { temperature, topP, topK } = text.options;
      // 24 bits are exact in float32.
      while (text.uniform.length < outputs) text.uniform.push((text.random.nextU32() >>> 8) / 2 ** 24);
      return { temperature, topP, topK, uniform: text.uniform.slice(0, outputs), masks };
    });
    const drawn = await this.engine.drawer.drawEach(drawings);
    return drawn.map((own, i) => {
      if (!("failure" in own)) return own;
      const { adapter } = (parts[i] as Part).text.options;
      const whose = adapter < 0 ? "the base model" : `adapter number ${adapter}`;
      const error = new IBertError("op-failed", `${own.failure.message} (the answer of ${whose})`, {
        hint: "Its weights give no usable numbers for this prompt: look for NaN or infinity in them.",
        cause: own.failure,
      });
      return { error };
    });
  }

  /**
   * Adds drawn ids to a text for as long as its guesses (`tokens` after the first) were right. Returns how many were
   * taken, or undefined when the text has ended.
   */
  private take(
    text: Text,
    ids: Int32Array,
    logprobs: Float32Array,
    tokens: readonly number[],
  ): number | undefined {
    const { completion, options } = text;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as number;
      text.uniform.shift();
      if (text.stop.has(id)) return this.finish(text, "stop");
      text.tokens.push(id);
      completion.ids.push(id);
      completion.logprobs.push(logprobs[i] as number);
      let ended: boolean | void;
      try {
        ended = options.onToken?.(id, completion.ids);
      } catch (error) {
        this.end(text, () => text.reject(error));
        return undefined;
      }
      if (ended === true) return this.finish(text, "stop");
      const full = text.tokens.length >= this.engine.config.contextLength;
      if (completion.ids.length >= options.maxTokens || full) return this.finish(text, "length");
      if (i + 1 < ids.length && tokens[i + 1] !== id) return i + 1;
    }
    return ids.length;
  }

  private finish(text: Text, reason: Completion["finish"]): undefined {
    text.completion.finish = reason;
    this.end(text, () => text.resolve(text.completion));
  }

  private end(text: Text, settle: () => void): void {
    this.engine.cache.release(text.sequence);
    this.reserved -= text.blocks;
    this.running.splice(this.running.indexOf(text), 1);
    settle();
  }
}

/** Rows of a prompt of which `length` are left in a step with `room`: all, or many, leaving many. */
function rowsOf(length: number, room: number): number {
  if (length <= room) return length;
  if (length <= EXACT_ROWS) return 0;
  const rows = Math.min(room, length - EXACT_ROWS - 1);
  return rows > EXACT_ROWS ? rows : 0;
}
