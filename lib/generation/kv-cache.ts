import { IBertError } from "../errors.js";
import type { ModelConfig } from "../models/config.js";
import type { Device } from "../runtime/device.js";
import type { Tensor } from "../runtime/tensor.js";

/** Positions in a block of the cache. */
export const BLOCK_SIZE = 32;

/** One sequence's share of the cache: position p lies in block `blocks[p / BLOCK_SIZE]`, place p mod BLOCK_SIZE. */
export interface CachedSequence {
  readonly blocks: number[];
  /** Positions stored so far. */
  length: number;
}

export interface KvCacheOptions {
  blocks: number;
  /** Storage of keys and values; q8_0 takes about half of bf16 and needs heads of a multiple of 32. */
  dtype: "bf16" | "f32" | "q8_0";
}

/** What a block that is kept for reuse holds. */
interface Kept {
  /** Its entry in the index of the prefix before it. */
  readonly key: string;
  /** Names this content; the blocks that go on from it are found under it. Never given twice. */
  readonly serial: number;
}

/**
 * A paged key/value cache (Kwon et al. 2023): fixed blocks that sequences take as they grow and give back when they
 * end, so that a batch can change at every step.
 *
 * It is a prompt cache too: whole blocks of a prompt stay after their sequence has ended, until their room is needed
 * (the longest unused first), and a later prompt that begins with the same tokens shares them.
 */
export class KvCache {
  /** (blocks, kvHeads, BLOCK_SIZE, headDim) of every layer */
  readonly keys: readonly Tensor[];
  readonly values: readonly Tensor[];
  readonly blocks: number;
  /** Blocks without content. */
  private readonly empty: number[];
  /** Kept blocks that no sequence uses, the longest unused first. */
  private readonly idle = new Set<number>();
  /** Sequences that use a block. */
  private readonly users: Int32Array;
  private readonly kept = new Map<number, Kept>();
  private readonly index = new Map<string, number>();
  private serials = 0;

  constructor(
    readonly device: Device,
    config: ModelConfig,
    { blocks, dtype }: KvCacheOptions,
  ) {
    const shape = [blocks, config.kvHeads, BLOCK_SIZE, config.headDim];
    const layers = Array.from({ length: config.layers }, (_, layer) => layer);
    this.keys = layers.map(() => device.empty(shape, dtype));
    this.values = layers.map(() => device.empty(shape, dtype));
    this.blocks = blocks;
    this.empty = Array.from({ length: blocks }, (_, i) => blocks - 1 - i);
    this.users = new Int32Array(blocks);
  }

  static blocksFor(positions: number): number {
    return Math.ceil(positions / BLOCK_SIZE);
  }

  /** Blocks that a new sequence could take. */
  get freeBlocks(): number {
    return this.empty.length + this.idle.size;
  }

  /**
   * A sequence that begins with as much of `tokens` as the cache holds, at most `limit` tokens. What a position holds
   * depends on the adapter that computed it, so each adapter has prefixes of its own.
   */
  reuse(tokens: readonly number[], adapter: number, limit: number): CachedSequence {
    const blocks: number[] = [];
    let parent = rootOf(adapter);
    for (let end = BLOCK_SIZE; end <= limit; end += BLOCK_SIZE) {
      const block = this.index.get(keyOf(parent, tokens, end - BLOCK_SIZE));
      if (block === undefined) break;
      this.idle.delete(block);
      this.use(block, 1);
      blocks.push(block);
      parent = (this.kept.get(block) as Kept).serial;
    }
    return { blocks, length: blocks.length * BLOCK_SIZE };
  }

  /** Keeps the whole blocks of the first `tokens.length` positions, which the sequence holds, for prompts to come. */
  keep(sequence: CachedSequence, tokens: readonly number[], adapter: number): void {
    let parent = rootOf(adapter);
    for (
      let end = BLOCK_SIZE, i = 0;
      end <= Math.min(tokens.length, sequence.length);
      end += BLOCK_SIZE, i++
    ) {
      const block = sequence.blocks[i] as number;
      let kept = this.kept.get(block);
      if (kept === undefined) {
        const key = keyOf(parent, tokens, end - BLOCK_SIZE);
        // Another sequence that ran at the same time may have been first.
        if (this.index.has(key)) return;
        kept = { key, serial: ++this.serials };
        this.kept.set(block, kept);
        this.index.set(key, block);
      }
      parent = kept.serial;
    }
  }

  /** Makes room for `count` more positions and returns their slots (block * BLOCK_SIZE + place). */
  append(sequence: CachedSequence, count: number): number[] {
    const slots: number[] = [];
    for (let i = 0; i < count; i++) {
      const position = sequence.length + i;
      const index = Math.floor(position / BLOCK_SIZE);
      if (index === sequence.blocks.length) sequence.blocks.push(this.take());
      slots.push((sequence.blocks[index] as number) * BLOCK_SIZE + (position % BLOCK_SIZE));
    }
    sequence.length += count;
    return slots;
  }

  /** Forgets the positions from `length` on. */
  truncate(sequence: CachedSequence, length: number): void {
    sequence.length = Math.min(sequence.length, length);
  }

  /** Gives the sequence's blocks back. */
  release(sequence: CachedSequence): void {
    // The last block first: the beginning of a prompt is what others share.
    for (const block of sequence.blocks.splice(0).reverse()) {
      if (this.use(block, -1) > 0) continue;
      if (this.kept.has(block)) this.idle.add(block);
      else this.empty.push(block);
    }
    sequence.length = 0;
  }

  /** Forgets all kept prompts: after a step that failed, or when an adapter's parameters have changed. */
  forget(): void {
    for (const block of this.idle) this.empty.push(block);
    this.idle.clear();
    this.kept.clear();
    this.index.clear();
  }

  dispose(): void {
    for (const tensor of [...this.keys, ...this.values]) this.device.free(tensor);
  }

  private take(): number {
    let block = this.empty.pop();
    if (block === undefined) {
      block = this.idle.values().next().value;
      if (block === undefined)
        throw new IBertError("cache-full", "the key/value cache has no free block left");
      this.idle.delete(block);
      this.index.delete((this.kept.get(block) as Kept).key);
      this.kept.delete(block);
    }
    this.use(block, 1);
    return block;
  }

  private use(block: number, change: 1 | -1): number {
    return (this.users[block] = (this.users[block] ?? 0) + change);
  }
}

/** No serial is negative or 0. */
const rootOf = (adapter: number): number => -adapter - 2;

const keyOf = (parent: number, tokens: readonly number[], start: number): string =>
  `${parent}:${tokens.slice(start, start + BLOCK_SIZE).join(",")}`;
