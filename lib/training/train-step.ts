import type { PackedBatch } from "../data/packing.js";
import { IBertError } from "../errors.js";
import type { Decoder, DeviceBatch } from "../models/decoder.js";
import type { LoraAdapter } from "../models/lora.js";
import type { Arena } from "../runtime/arena.js";
import type { Device } from "../runtime/device.js";
import { releaseUnusedMemory } from "../runtime/memory.js";
import { AdamW, type AdamWOptions } from "./optimizer.js";

export interface StepResult {
  /** Mean over the supervised tokens of all micro-batches, in nats, before the update. */
  loss: number;
  /** Norm of the mean gradient, before clipping. */
  gradNorm: number;
  tokens: number;
  supervisedTokens: number;
}

/**
 * One optimizer step over k micro-batches: gradients are sums over supervised tokens, divided once by their total, so
 * that k micro-batches give what one batch of their rows would.
 */
export class TrainStep implements Disposable {
  readonly optimizer: AdamW;
  /** Bytes of activations and gradients at the highest point of a step. */
  readonly activationBytes: number;
  /** Held from the first step until `freeActivations`. */
  private arena: Arena | undefined;
  private readonly adapter: LoraAdapter;
  private readonly device: Device;

  /** @param tokenBudget T of every batch */
  constructor(
    private readonly decoder: Decoder,
    options: AdamWOptions,
    tokenBudget: number,
  ) {
    if (decoder.adapter?.grads === undefined) throw new TypeError("the decoder has no adapter to train");
    this.adapter = decoder.adapter;
    this.device = decoder.device;
    this.optimizer = new AdamW(this.device, this.adapter, options);
    const planned = decoder.plan();
    const counting = planned.device.arena("training");
    enqueueLoss(planned, emptyBatch(tokenBudget), counting);
    this.activationBytes = counting.peak;
  }

  /**
   * Runs step `step` (from 1). A loss or gradient that is not finite is an error that names the op where it began, and
   * leaves adapter and optimizer as they were.
   */
  async run(batches: readonly PackedBatch[], step: number, learningRate: number): Promise<StepResult> {
    const { device } = this;
    const supervisedTokens = batches.reduce((sum, batch) => sum + batch.supervisedTokens, 0);
    if (supervisedTokens === 0) {
      throw new IBertError("batch-unsupervised", `step ${step}: no token of the batch is supervised`, {
        hint: "Every row needs a completion.",
      });
    }
    const arena = this.arena ?? (await this.allocate());
    const losses = this.accumulate(batches, arena);
    const norm = this.optimizer.step(step, learningRate, 1 / supervisedTokens);
    await device.synchronize();
    const loss =
      losses.reduce((sum, part) => sum + sumOf(new Float32Array(part.buffer)), 0) / supervisedTokens;
    const gradNorm = (norm[0] ?? NaN) / supervisedTokens;
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) await this.explain(batches, arena, step);
    return {
      loss,
      gradNorm,
      tokens: batches.reduce((sum, batch) => sum + batch.usedTokens, 0),
      supervisedTokens,
    };
  }

  /** Gives back the memory of activations until the next step: for other work in between. */
  freeActivations(): void {
    this.arena?.free();
    this.arena = undefined;
  }

  free(): void {
    this.optimizer.free();
    this.freeActivations();
  }

  [Symbol.dispose](): void {
    this.free();
  }

  /** The largest allocation of a run: what went before it is tidied up first. */
  private async allocate(): Promise<Arena> {
    await this.device.synchronize();
    releaseUnusedMemory();
    return (this.arena = this.device.arena("training", this.activationBytes));
  }

  private accumulate(batches: readonly PackedBatch[], arena: Arena): Uint8Array[] {
    if (this.adapter.grads !== undefined) this.device.fill(this.adapter.grads, 0);
    return batches.map((batch) => {
      arena.release(0);
      return this.device.readLater(enqueueLoss(this.decoder, batch, arena));
    });
  }

  /** Runs the batches again, looking at the output of every op. */
  private async explain(batches: readonly PackedBatch[], arena: Arena, step: number): Promise<never> {
    let where = "no single op gave it: the sum of the gradients overflowed";
    this.device.checkFinite(true);
    try {
      this.accumulate(batches, arena);
      await this.device.synchronize();
    } catch (error) {
      where = (error as Error).message;
    } finally {
      this.device.checkFinite(false);
    }
    const rows = batches.flatMap((batch) => batch.rows.map(({ id }) => id));
    throw new IBertError("not-finite", `step ${step}: the loss or its gradient is not finite: ${where}`, {
      hint:
        "The adapter is as it was before this step, and the last checkpoint stands. Try a lower learning rate; " +
        `the rows were ${rows.slice(0, 8).join(", ")}${rows.length > 8 ? ", …" : ""}.`,
    });
  }
}

/** Uploads a batch and enqueues loss and gradients. */
function enqueueLoss(decoder: Decoder, batch: PackedBatch, arena: Arena) {
  const { device } = decoder;
  const upload = (values: Int32Array) => {
    const tensor = arena.tensor([values.length], "i32");
    device.write(tensor, values);
    return tensor;
  };
  const onDevice: DeviceBatch = {
    tokens: upload(batch.tokens),
    targets: upload(batch.targets),
    positions: upload(batch.positions),
    offsets: upload(batch.sequenceOffsets),
  };
  return decoder.loss(onDevice, arena, { backward: true });
}

/** The batch that takes most memory: every two tokens a row. */
function emptyBatch(tokenBudget: number): PackedBatch {
  return {
    tokens: new Int32Array(tokenBudget),
    targets: new Int32Array(tokenBudget),
    positions: new Int32Array(tokenBudget),
    sequenceOffsets: new Int32Array(Math.floor(tokenBudget / 2) + 2),
    supervisedTokens: 0,
    usedTokens: 0,
    rows: [],
  };
}

function sumOf(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
