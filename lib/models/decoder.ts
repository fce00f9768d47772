/** The decoder for training: loss and gradients of a packed batch. The model itself stands in graph.ts and layer.ts. */
import type { Arena } from "../runtime/arena.js";
import type { Device } from "../runtime/device.js";
import type { Tensor } from "../runtime/tensor.js";
import type { ModelConfig } from "./config.js";
import type { DecoderWeights } from "./device-weights.js";
import { DecoderGraph } from "./graph.js";
import type { DecoderLayer, SavedLayer, TrainingPass } from "./layer.js";
import type { LoraAdapter } from "./lora.js";

/**
 * What the way back computes again, from the least memory saved to the most: `mlp` the inside of each MLP (gateUp, by far
 * the widest activation), `layer` all but each layer's input. The gradients have the same bits.
 */
export const RECOMPUTE = ["none", "mlp", "layer"] as const;
export type Recompute = (typeof RECOMPUTE)[number];

export interface DecoderOptions {
  /** Storage of activations and of their gradients; the residual stream is float32 in both. */
  activations: "bf16" | "f32";
  recompute: Recompute;
}

/** A packed batch of T tokens on the device (lib/data/packing.ts says how it is made). */
export interface DeviceBatch {
  /** (T) i32 */
  tokens: Tensor;
  /** (T) i32, -1 where nothing is supervised */
  targets: Tensor;
  /** (T) i32 */
  positions: Tensor;
  /** (S + 1) i32 */
  offsets: Tensor;
}

export class Decoder {
  private readonly graph: DecoderGraph;

  constructor(
    readonly device: Device,
    readonly config: ModelConfig,
    readonly weights: DecoderWeights,
    readonly adapter: LoraAdapter | undefined,
    readonly options: DecoderOptions,
  ) {
    this.graph = new DecoderGraph(device, config, weights, adapter, options.activations);
  }

  /** The same graph on the planned device, where it only counts. */
  plan(): Decoder {
    return new Decoder(this.device.plan(), this.config, this.weights, this.adapter, this.options);
  }

  /** An arena as large as `work` needs it. */
  arenaFor(name: string, work: (decoder: Decoder, arena: Arena) => void): Arena {
    const planned = this.plan();
    const arena = planned.device.arena(name);
    work(planned, arena);
    return this.device.arena(name, arena.peak);
  }

  /**
   * Losses of the batch's supervised tokens (T, float32, nats; 0 elsewhere), which lie in `arena`. With `backward`, the
   * gradient of their sum is added to the adapter's gradients.
   */
  loss(batch: DeviceBatch, arena: Arena, { backward }: { backward: boolean }): Tensor {
    const { graph } = this;
    const losses = arena.tensor(batch.tokens.shape, "f32");
    arena.scope(() => {
      const pass = this.pass(batch, arena);
      const h = graph.embed(batch.tokens, arena);
      if (!backward) {
        for (const layer of graph.layers) layer.forward(h, pass, arena);
        graph.loss(h, batch.targets, losses, undefined, arena);
        return;
      }
      const wayBack = graph.layers.map((layer) => this.forwardAndBack(layer, h, pass, arena));
      const dh = graph.activation(arena, h.shape[0] ?? 0, this.config.hiddenSize);
      graph.loss(h, batch.targets, losses, dh, arena);
      for (const backwardOf of wayBack.reverse()) arena.scope(() => backwardOf(dh));
    });
    return losses;
  }

  /** Logits (T, V) float32 of every token, for tests and small models: the whole matrix is in memory. */
  logits(batch: Omit<DeviceBatch, "targets">, arena: Arena): Tensor {
    const { graph } = this;
    const logits = arena.tensor([batch.tokens.shape[0] ?? 0, this.config.vocabSize], "f32");
    arena.scope(() => {
      const pass = this.pass(batch, arena);
      const h = graph.embed(batch.tokens, arena);
      for (const layer of graph.layers) layer.forward(h, pass, arena);
      graph.logits(h, logits, arena);
    });
    return logits;
  }

  /** Runs a layer, keeps of it what `recompute` says, and returns its backward pass. */
  private forwardAndBack(
    layer: DecoderLayer,
    h: Tensor,
    pass: TrainingPass,
    arena: Arena,
  ): (dh: Tensor) => void {
    const { recompute } = this.options;
    if (recompute !== "layer") {
      const saved = layer.save(h.shape[0] ?? 0, arena, recompute === "mlp" ? "normed" : "gateUp");
      layer.forward(h, pass, arena, saved);
      return (dh) => layer.backward(dh, pass, saved, arena);
    }
    // In full precision, so that the same comes out again.
    const input = arena.tensor(h.shape, "f32");
    this.device.ops.cast({ source: h, target: input });
    layer.forward(h, pass, arena);
    return (dh) => layer.backward(dh, pass, layer.recompute(input, pass, arena), arena);
  }

  /** Each token attends to those before it in its packed sequence. */
  private pass({ positions, offsets }: Omit<DeviceBatch, "targets">, arena: Arena): TrainingPass {
    const { device, config } = this;
    const { heads, kvHeads, headDim } = config;
    const shape = { offsets, heads, kvHeads, headDim, scale: 1 / Math.sqrt(headDim) };
    return {
      cosSin: this.graph.ropeTable(positions, arena),
      queryScale: this.graph.queryScale(positions, arena),
      attend: (_, qkv, y, lse) =>
        arena.scope(() => {
          lse ??= arena.tensor([qkv.shape[0] ?? 0, heads], "f32");
          device.ops.attentionForward({ qkv, y, lse, ...shape });
        }),
      attendBackward: (dy, { qkv, attention, lse }: SavedLayer, dqkv) =>
        device.ops.attentionBackward({ dy, qkv, y: attention, lse, dqkv, ...shape }),
    };
  }
}
