import { getHeapSpaceStatistics } from "node:v8";

import { addon } from "./native.js";

/** What the owner of a process may do to its JavaScript heap, and a library in somebody's process may not. */
export interface HeapControl {
  /** Runs work that makes many objects that stay, with a small young generation. */
  withSmallYoungGeneration<T>(work: () => T): T;
  /** Collects all garbage now, and gives its pages back. */
  collect(): void;
}

let control: HeapControl | undefined;

/** Lets the work of this folder tend the heap of its process: for programs of ours, which own theirs. */
export function controlHeap(by: HeapControl): void {
  control = by;
}

/** Runs work that makes many objects that stay, such as reading a vocabulary; it should not leave the heap large. */
export function withSmallYoungGeneration<T>(work: () => T): T {
  return control === undefined ? work() : control.withSmallYoungGeneration(work);
}

/**
 * Where the process is ours, gives memory that is not in use back to the system: what loading left behind, in JavaScript
 * and in the C library, would otherwise stay resident beside the largest allocation of a run. Takes some tens of
 * milliseconds. In somebody else's process it does nothing.
 */
export function releaseUnusedMemory(): void {
  if (control === undefined) return;
  control.collect();
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
