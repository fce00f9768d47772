import { beforeAll, describe, expect, it } from "vitest";

import { loadPreset } from "../models/presets.js";
import { Device } from "../runtime/device.js";
import { BLOCK_SIZE, KvCache } from "./kv-cache.js";

const { config } = loadPreset("smollm2-135m");
const ids = (count: number, first = 0): number[] => Array.from({ length: count }, (_, i) => first + i);
let device: Device;
beforeAll(() => {
  device = Device.open("cpu", { planned: true });
});
const cacheOf = (blocks: number): KvCache => new KvCache(device, config, { blocks, dtype: "bf16" });

/** A sequence that has computed `tokens`, and kept them. */
function computed(cache: KvCache, tokens: readonly number[], adapter = 0) {
  const sequence = cache.reuse(tokens, adapter, tokens.length);
  const reused = sequence.length;
  cache.append(sequence, tokens.length - reused);
  cache.keep(sequence, tokens, adapter);
  return { sequence, reused };
}

describe("KvCache", () => {
  it("gives every position a slot of its own", () => {
    const cache = cacheOf(4);
    const [a, b] = [computed(cache, ids(40)).sequence, computed(cache, ids(40, 100)).sequence];
    expect(cache.freeBlocks).toBe(0);
    expect(new Set([...a.blocks, ...b.blocks]).size).toBe(4);
    cache.release(a);
    expect(cache.freeBlocks).toBe(2);
  });

  it("shares whole blocks of equal beginnings", () => {
    const cache = cacheOf(8);
    const first = computed(cache, ids(3 * BLOCK_SIZE + 5));
    const second = computed(cache, [...ids(2 * BLOCK_SIZE), ...ids(40, 500)]);
    expect(second.reused).toBe(2 * BLOCK_SIZE);
    expect(second.sequence.blocks.slice(0, 2)).toEqual(first.sequence.blocks.slice(0, 2));
    expect(second.sequence.blocks[2]).not.toBe(first.sequence.blocks[2]);
    // A shared block is free only when both have ended.
    cache.release(first.sequence);
    expect(cache.freeBlocks).toBe(8 - 4);
    cache.release(second.sequence);
    expect(cache.freeBlocks).toBe(8);
  });

  it("keeps prompts after their end, those of each adapter apart", () => {
    const cache = cacheOf(8);
    cache.release(computed(cache, ids(2 * BLOCK_SIZE), 0).sequence);
    expect(cache.reuse(ids(2 * BLOCK_SIZE), 1, 999).length).toBe(0);
    expect(cache.reuse(ids(2 * BLOCK_SIZE), 0, 2 * BLOCK_SIZE - 1).length).toBe(BLOCK_SIZE);
    cache.forget();
    expect(cache.reuse(ids(2 * BLOCK_SIZE), 0, 999).length).toBe(0);
  });

  it("gives up the longest unused when room is needed, a prompt's end before its beginning", () => {
    const cache = cacheOf(4);
    const [old, recent] = [ids(2 * BLOCK_SIZE), ids(2 * BLOCK_SIZE, 900)];
    cache.release(computed(cache, old).sequence);
    cache.release(computed(cache, recent).sequence);
    const taken = { blocks: [], length: 0 };
    cache.append(taken, 1);
    expect(cache.reuse(recent, 0, 999).length).toBe(2 * BLOCK_SIZE);
    expect(cache.reuse(old, 0, 999).length).toBe(BLOCK_SIZE);
    expect(() => cache.append(taken, 9 * BLOCK_SIZE)).toThrow(/no free block/);
  });

  it("takes positions back", () => {
    const cache = cacheOf(2);
    const sequence = { blocks: [], length: 0 };
    const slots = cache.append(sequence, 40);
    cache.truncate(sequence, 30);
    expect(cache.append(sequence, 10)).toEqual(slots.slice(30));
  });
});
