import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { addon } from "./native.js";

let collect: (() => void) | undefined;

let limits = 0;

/**
 * Runs work that makes many objects that stay, such as reading a vocabulary. V8 would let its young generation grow to
 * 32 MiB meanwhile and keep them; so objects are promoted early instead, which costs some milliseconds.
 */
export function withSmallYoungGeneration<T>(work: () => T): T {
  const end = (): void => {
    if (--limits === 0) setFlagsFromString("--semi-space-growth-factor=2"); // V8's default
  };
  if (limits++ === 0) setFlagsFromString("--semi-space-growth-factor=1");
  let result: T;
  try {
    result = work();
  } catch (error) {
    end();
    throw error;
  }
  if (result instanceof Promise) return result.finally(end) as T;
  end();
  return result;
}

/**
 * Gives memory that is not in use back to the system: what loading left behind, in JavaScript and in the C library,
 * would otherwise stay resident beside the largest allocation of a run. Takes some tens of milliseconds.
 */
export function releaseUnusedMemory(): void {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  // The first collection finds what is dead, the second gives back its pages and array buffers.
  collect();
  collect();
  addon().trimHeap();
}

/** The most that V8's young generation takes by default on 64 bits: two halves of 16 MiB. */
const YOUNG_GENERATION_BYTES = 32 * 2 ** 20;

/** Bytes resident in this process, with what V8's young generation will come to in long work. Tidies up first. */
export function processMemory(): number {
  releaseUnusedMemory();
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space");
  const growth = Math.max(0, YOUNG_GENERATION_BYTES - (young?.physical_space_size ?? 0));
  return process.memoryUsage.rss() + growth;
}
