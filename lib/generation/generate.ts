import { Batcher, type BatcherOptions, type Completion, type SamplingOptions } from "./batcher.js";
import type { InferenceEngine } from "./engine.js";

export interface GenerateOptions extends Omit<SamplingOptions, "adapter">, BatcherOptions {
  /** Number of the adapter that answers each prompt, as in SamplingOptions. */
  adapter?: number | ((index: number) => number);
  /** Called with each new token of prompt `index`; true ends that text. */
  onToken?: (index: number, id: number, ids: readonly number[]) => boolean | void;
  /** Called when the text of prompt `index` has ended. */
  onFinish?: (index: number) => void;
}

/** Completes every prompt (ids), as many at a time as the engine takes. The first failure ends all. */
export async function generate(
  engine: InferenceEngine,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
): Promise<Completion[]> {
  const { onToken, onFinish, draftTokens, promptCache, signal, adapter, ...sampling } = options;
  const batcher = new Batcher(engine, {
    ...(draftTokens === undefined ? {} : { draftTokens }),
    ...(promptCache === undefined ? {} : { promptCache }),
  });
  const failed = new AbortController();
  const ended = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const texts = prompts.map(async (prompt, index) => {
    const completion = await batcher.complete(prompt, {
      ...sampling,
      stream: index,
      signal: ended,
      ...(adapter === undefined ? {} : { adapter: typeof adapter === "number" ? adapter : adapter(index) }),
      ...(onToken === undefined ? {} : { onToken: (id, ids) => onToken(index, id, ids) }),
    });
    onFinish?.(index);
    return completion;
  });
  try {
    return await Promise.all(texts);
  } catch (error) {
    failed.abort(error);
    // No text may still use the engine when the caller hears of it.
    await Promise.allSettled(texts);
    throw error;
  }
}
