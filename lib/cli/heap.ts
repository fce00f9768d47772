/** V8's heap in a process that is ours. Its flags and its collector are the whole process's, so no library touches them. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { controlHeap } from "../runtime/memory.js";

let collector: (() => void) | undefined;
let limits = 0;

/**
 * V8 would let its young generation grow to 32 MiB while many objects are made, and keep them; so objects are promoted
 * early instead, which costs some milliseconds.
 */
function withSmallYoungGeneration<T>(work: () => T): T {
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

function collect(): void {
  if (collector === undefined) {
    setFlagsFromString("--expose-gc");
    collector = runInNewContext("gc") as () => void;
  }
  // The first collection finds what is dead, the second gives back its pages and array buffers.
  collector();
  collector();
}

/** Tends the heap from now on: for programs, at their start. */
export function ownHeap(): void {
  controlHeap({ withSmallYoungGeneration, collect });
}
