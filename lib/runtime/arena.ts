import { IBertError } from "../errors.js";
import type { NativeBuffer } from "./native.js";
import { rowMajorBytes, Tensor, type DType } from "./tensor.js";

const ALIGNMENT = 64;

/**
 * A stack of device memory: tensors are taken from the top and given back by returning to a mark. The work is
 * stream-ordered, so memory can be reused as soon as the ops that use it are enqueued.
 *
 * On a planned device the arena has no end and no memory; its `peak` is the capacity that the real one needs.
 */
export class Arena implements Disposable {
  private top = 0;
  private highest = 0;

  constructor(
    readonly name: string,
    private readonly buffer: NativeBuffer,
    readonly capacity: number,
    private readonly onFree: () => void,
  ) {}

  /** Largest number of bytes in use so far. */
  get peak(): number {
    return this.highest;
  }

  tensor(shape: readonly number[], dtype: DType): Tensor {
    const offset = this.top;
    const end = offset + Math.ceil(rowMajorBytes(shape, dtype) / ALIGNMENT) * ALIGNMENT;
    if (end > this.capacity) {
      throw new IBertError(
        "arena-full",
        `the arena "${this.name}" is full: ${end} bytes wanted, it has ${this.capacity}`,
        { hint: "Plan the same step on the planned device first; its peak is the capacity to allocate." },
      );
    }
    this.top = end;
    this.highest = Math.max(this.highest, end);
    return new Tensor(this.buffer, offset, shape, dtype);
  }

  mark(): number {
    return this.top;
  }

  /** Gives back everything taken since the mark. */
  release(mark: number): void {
    this.top = mark;
  }

  /** Runs `body`; what it took from the arena is free again afterwards. */
  scope<T>(body: () => T): T {
    const mark = this.mark();
    try {
      return body();
    } finally {
      this.release(mark);
    }
  }

  /** Gives the memory back; work in flight still finishes. A second call does nothing. */
  free(): void {
    if (this.buffer.free()) this.onFree();
  }

  /** Frees the arena, for `using`. */
  [Symbol.dispose](): void {
    this.free();
  }
}
