import { IBertError } from "../errors.js";
import type { Device } from "../runtime/device.js";
import type { Tensor } from "../runtime/tensor.js";
import type { ModelConfig } from "./config.js";

/** Positions in a block of the cache. */
export const BLOCK_SIZE = 32;

/** One sequence's share of the cache: position p lies in block `blocks[p / BLOCK_SIZE]`, place p mod BLOCK_SIZE. */
export interface CachedSequence {
  readonly blocks: number[];
  /** Positions stored so far. */
  length: number;
}

/**
 * A paged key/value cache (Kwon et al. 2023): fixed blocks that sequences take as they grow and give back when they
 * end, so that a batch can change at every step.
 */
export class KvCache {
  /** (blocks, kvHeads, BLOCK_SIZE, headDim) of every layer */
  readonly keys: readonly Tensor[];
  readonly values: readonly Tensor[];
  private readonly free: number[];

  constructor(
    readonly device: Device,
    config: ModelConfig,
    readonly blocks: number,
    dtype: "bf16" | "f32",
  ) {
    const shape = [blocks, config.kvHeads, BLOCK_SIZE, config.headDim];
    const layers = Array.from({ length: config.layers }, (_, layer) => layer);
    this.keys = layers.map(() => device.empty(shape, dtype));
    this.values = layers.map(() => device.empty(shape, dtype));
    this.free = Array.from({ length: blocks }, (_, i) => blocks - 1 - i);
  }

  static blocksFor(positions: number): number {
    return Math.ceil(positions / BLOCK_SIZE);
  }

  get freeBlocks(): number {
    return this.free.length;
  }

  /** Makes room for `count` more positions and returns their slots (block * BLOCK_SIZE + place). */
  append(sequence: CachedSequence, count: number): number[] {
    const slots: number[] = [];
    for (let i = 0; i < count; i++) {
      const position = sequence.length + i;
      const index = Math.floor(position / BLOCK_SIZE);
      if (index === sequence.blocks.length) {
        const block = this.free.pop();
        if (block === undefined)
          throw new IBertError("cache-full", "the key/value cache has no free block left");
        sequence.blocks.push(block);
      }
      slots.push((sequence.blocks[index] as number) * BLOCK_SIZE + (position % BLOCK_SIZE));
    }
    sequence.length += count;
    return slots;
  }

  /** Gives the sequence's blocks back. */
  release(sequence: CachedSequence): void {
    this.free.push(...sequence.blocks.splice(0).reverse());
    sequence.length = 0;
  }

  dispose(): void {
    for (const tensor of [...this.keys, ...this.values]) this.device.free(tensor);
  }
}
