/** Many prompts through one engine, as many at a time as keep it busy, so that their number costs no memory. */
import { AnswerText } from "../generation/answer-text.js";
import { Batcher, type SamplingOptions } from "../generation/batcher.js";
import type { InferenceEngine } from "../generation/engine.js";
import type { Tokenizer } from "../models/tokenizer.js";

export interface AnswerRun {
  inference: InferenceEngine;
  tokenizer: Tokenizer;
  /** Ids at which an answer ends, as a session has them. */
  stopIds: readonly number[];
  /** Tokens of an answer. */
  maxTokens: number;
  sampling?: Pick<SamplingOptions, "temperature" | "topP" | "topK" | "seed"> | undefined;
  signal?: AbortSignal | undefined;
}

export interface Prompt {
  text: string;
  /** Texts that end an answer. */
  stops: readonly string[];
}

/** Prompts that are open at a time for each text that the engine generates at a time: some wait for their judge. */
const OPEN = 2;

/** Ids of a prompt as training lays it out. */
export function promptIds(tokenizer: Tokenizer, prompt: string): number[] {
  const ids = tokenizer.encode(prompt, { allowSpecial: false });
  return tokenizer.addBos && tokenizer.bosId !== null ? [tokenizer.bosId, ...ids] : ids;
}

/**
 * Answers prompts 0 … count - 1. Each is drawn from a stream of random numbers of its own, so that an answer is the same
 * whichever were there already. The first failure ends all.
 * @param prompt what is asked; undefined where the answer is not wanted
 * @param take is given each answer, in the order in which they end
 */
export async function answerAll(
  run: AnswerRun,
  count: number,
  prompt: (index: number) => Prompt | undefined,
  take: (index: number, answer: string) => Promise<void>,
): Promise<void> {
  const { tokenizer, inference, stopIds, maxTokens, sampling } = run;
  const batcher = new Batcher(inference, {});
  const failed = new AbortController();
  const signal = run.signal === undefined ? failed.signal : AbortSignal.any([run.signal, failed.signal]);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const asked = prompt(index);
      if (asked === undefined) continue;
      signal.throwIfAborted();
      const answer = new AnswerText(tokenizer, asked.stops);
      await batcher.complete(promptIds(tokenizer, asked.text), {
        ...sampling,
        maxTokens,
        stopIds,
        stream: index,
        signal,
        onToken: (id) => answer.push(id),
      });
      await take(index, answer.end());
    }
  };
  const workers = Array.from({ length: Math.min(count, OPEN * inference.options.maxSequences) }, work);
  try {
    await Promise.all(workers);
  } catch (error) {
    failed.abort(error);
    // No text may still use the engine when the caller hears of it.
    await Promise.allSettled(workers);
    throw error;
  }
}
