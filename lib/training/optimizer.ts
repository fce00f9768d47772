import type { LoraAdapter } from "../models/lora.js";
import type { Device } from "../runtime/device.js";
import type { Tensor } from "../runtime/tensor.js";

/** Hyper-parameters of AdamW (Loshchilov & Hutter 2019) with clipping by global norm. */
export interface AdamWOptions {
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  /** Largest norm of the gradient; 0 clips nothing. */
  maxGradNorm: number;
  /** Learning rate of every B over that of every A (Hayou et al. 2024, "LoRA+"); default 1. */
  loraPlusRatio?: number;
}

/** A part of the flat buffers that has one learning rate. */
interface Group {
  param: Tensor;
  grad: Tensor;
  m: Tensor;
  v: Tensor;
  /** Of the learning rate. */
  factor: number;
}

/** AdamW over the flat buffer of an adapter: both moments in float32, clip and update in one pass. */
export class AdamW implements Disposable {
  private readonly m: Tensor;
  private readonly v: Tensor;
  private readonly norm: Tensor;
  private readonly groups: readonly Group[];

  constructor(
    private readonly device: Device,
    private readonly adapter: LoraAdapter,
    private readonly options: AdamWOptions,
  ) {
    const { params: param, grads: grad, layout } = adapter;
    if (grad === undefined) throw new TypeError("the adapter was not made for training");
    this.m = device.empty([layout.size], "f32");
    this.v = device.empty([layout.size], "f32");
    this.norm = device.empty([1], "f32");
    device.fill(this.m, 0);
    device.fill(this.v, 0);
    const { m, v } = this;
    const { loraPlusRatio = 1 } = options;
    const whole = { param, grad, m, v, factor: 1 };
    this.groups =
      loraPlusRatio === 1
        ? [whole]
        : layout.stacks.map(({ offset, size, part }) => {
            const of = (tensor: Tensor) => tensor.view([size], offset);
            const factor = part === "B" ? loraPlusRatio : 1;
            return { param: of(param), grad: of(grad), m: of(m), v: of(v), factor };
          });
  }

  /**
   * Enqueues step `step` (from 1) with the gradients of the adapter times `gradScale`, and returns the norm of the
   * unscaled gradients, to be read after the next fence. Where it is not finite, nothing is changed.
   */
  step(step: number, learningRate: number, gradScale: number): Float32Array {
    const { device, adapter, options, norm } = this;
    const { beta1, beta2, eps, weightDecay, maxGradNorm: maxNorm } = options;
    const shared = { norm, beta1, beta2, eps, weightDecay, maxNorm, gradScale, step };
    device.ops.gradNorm({ grad: adapter.grads as Tensor, norm });
    for (const { factor, ...tensors } of this.groups) {
      device.ops.adamW({ ...tensors, ...shared, lr: learningRate * factor });
    }
    if (device.planned) return new Float32Array(1);
    return new Float32Array(device.readLater(this.norm).buffer);
  }

  /** Both moments; waits. */
  async state(): Promise<{ m: Float32Array; v: Float32Array }> {
    const [m, v] = [this.device.readLater(this.m), this.device.readLater(this.v)];
    await this.device.synchronize();
    return { m: new Float32Array(m.buffer), v: new Float32Array(v.buffer) };
  }

  restore(state: { m: Float32Array; v: Float32Array }): void {
    this.device.write(this.m, state.m);
    this.device.write(this.v, state.v);
  }

  free(): void {
    for (const tensor of [this.m, this.v, this.norm]) this.device.free(tensor);
  }

  [Symbol.dispose](): void {
    this.free();
  }
}
