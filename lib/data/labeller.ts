import type { CheckItem, DslEngine, Labelled } from "../dsl/dsl.js";
import type { Labeller } from "./source.js";

/** A batch that is slow says something of the machine: what a corpus holds must not hang on it. */
const PATIENCE_MS = 300_000;

interface Waiting {
  item: CheckItem;
  resolve: (labelled: Labelled) => void;
  reject: (reason: unknown) => void;
}

/**
 * Gathers the questions that are asked in one turn of the event loop into messages of at most `most` texts. Their
 * order and so their answers do not hang on timing.
 */
export function batchingLabeller(engine: DslEngine, most: number): Labeller {
  let waiting: Waiting[] = [];
  const flush = (): void => {
    const all = waiting;
    waiting = [];
    for (let start = 0; start < all.length; start += most) {
      const part = all.slice(start, start + most);
      engine
        .labelMany(
          part.map(({ item }) => item),
          { timeoutMs: PATIENCE_MS },
        )
        .then(
          (verdicts) => part.forEach(({ resolve }, i) => resolve(verdicts[i] as Labelled)),
          (reason: unknown) => part.forEach(({ reject }) => reject(reason)),
        );
    }
  };
  return (text, schema, dialect) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) setImmediate(flush);
      waiting.push({
        item: { text, schema, ...(dialect === undefined ? {} : { dialect }) },
        resolve,
        reject,
      });
    });
}
