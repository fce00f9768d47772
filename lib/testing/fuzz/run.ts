/** Feeds a reader its inputs, one by one, and judges what becomes of them. */
import { basename } from "node:path";
import { getHeapStatistics } from "node:v8";

import { Random } from "../../data/random.js";
import { isErrorCode } from "../../error-codes.js";
import { IBertError } from "../../errors.js";
import type { Target } from "./target.js";

/** Heap and buffers: a file is read in a window, parsed and checked; so many bytes for each of its own besides. */
const LEAST_ROOM = 24 << 20;
const BYTES_PER_BYTE = 200;

export interface Fault {
  input: number;
  what: string;
}

export interface Outcome {
  inputs: number;
  /** How many were read without a word. */
  accepted: number;
  /** How many were refused, by code. */
  refused: Record<string, number>;
  faults: Fault[];
}

export interface RunOptions {
  inputs: number;
  seed: number;
  /** The first input's number. */
  from?: number;
  /** Ends the run early. */
  mostFaults?: number;
  /** What an input may take, whatever it holds, of CPU time, so that a busy machine is no fault; default 1000. */
  mostMilliseconds?: number;
  /** Told of each input before it is read. */
  onInput?: (input: number) => void;
}

/** Bytes that V8 holds, in its heap and for buffers. */
function held(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}

/** What is wrong with an error that a reader gave. */
function errorFault(error: unknown, folder: string): string | undefined {
  if (!(error instanceof IBertError))
    return error instanceof Error ? (error.stack ?? error.message) : `not an error: ${String(error)}`;
  if (!isErrorCode(error.code)) return `the code ${String(error.code)} is unknown`;
  const text = error.message;
  if (!text.includes(basename(folder))) return `the error names no file: ${text}`;
  return text.length > 4000 ? `the error has ${text.length} characters: ${text.slice(0, 200)}` : undefined;
}

/**
 * @param name stands in the random stream, so that targets get inputs of their own
 * @param folder is the target's own
 */
export async function fuzz(
  name: string,
  target: Target,
  folder: string,
  { inputs, seed, from = 0, mostFaults = 20, mostMilliseconds = 1000, onInput }: RunOptions,
): Promise<Outcome> {
  const outcome: Outcome = { inputs: 0, accepted: 0, refused: {}, faults: [] };
  for (let input = from; input < from + inputs && outcome.faults.length < mostFaults; input++) {
    const bytes = target.write(folder, Random.of(seed, name, input));
    onInput?.(input);
    const before = held();
    const begun = process.cpuUsage();
    let fault: string | undefined;
    try {
      await target.read(folder);
      outcome.accepted++;
    } catch (error) {
      fault = target.errorFault === undefined ? errorFault(error, folder) : target.errorFault(error);
      if (fault === undefined) {
        const code = error instanceof IBertError ? error.code : "error";
        outcome.refused[code] = (outcome.refused[code] ?? 0) + 1;
      }
    }
    const { user, system } = process.cpuUsage(begun);
    const grown = held() - before;
    if ((user + system) / 1000 > mostMilliseconds) fault ??= `it took ${(user + system) / 1000} ms`;
    if (grown > LEAST_ROOM + BYTES_PER_BYTE * bytes) fault ??= `it took ${grown} bytes for ${bytes}`;
    if (fault !== undefined) outcome.faults.push({ input, what: fault });
    outcome.inputs++;
  }
  target.close?.();
  return outcome;
}
