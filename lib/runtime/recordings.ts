import type { Device, Recording } from "./device.js";
import type { Tensor } from "./tensor.js";

/** Ops that come again and again, with what they are told before they run and what is read after them. */
export interface Repeated {
  readonly recording: Recording;
  readonly views: readonly Tensor[];
}

/**
 * The recordings of work that comes in many shapes, by name. There are at most `most`: a device may keep a graph for each,
 * so the one that was not used for longest makes room for a new one.
 */
export class Recordings implements Disposable {
  /** The least recently used first. */
  private readonly kept = new Map<string, Repeated>();

  constructor(
    private readonly device: Pick<Device, "record" | "freeRecording">,
    private readonly most: number,
  ) {}

  /** What was recorded under this name, or is now. */
  repeat(name: string, views: () => readonly Tensor[], body: () => void): Repeated {
    let repeated = this.kept.get(name);
    if (repeated !== undefined) this.kept.delete(name);
    else repeated = { recording: this.device.record(body), views: views() };
    this.kept.set(name, repeated);
    for (const [oldest] of this.kept) {
      if (this.kept.size <= this.most) break;
      this.free(oldest);
    }
    return repeated;
  }

  /** Lets go of all; work in flight still finishes. More can be recorded afterwards. */
  dispose(): void {
    for (const name of [...this.kept.keys()]) this.free(name);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private free(name: string): void {
    const repeated = this.kept.get(name);
    this.kept.delete(name);
    if (repeated !== undefined) this.device.freeRecording(repeated.recording);
  }
}
