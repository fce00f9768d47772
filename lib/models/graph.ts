/**
 * The decoder of Llama, Mistral, Ministral 3 and Qwen2, described once for training and generation: here what comes
 * before its layers and after them, in layer.ts a layer. What each op means stands in native/ops.h; the order here is
 * the model.
 */
import type { Arena } from "../runtime/arena.js";
import type { Device } from "../runtime/device.js";
import type { Tensor } from "../runtime/tensor.js";
import type { ModelConfig } from "./config.js";
import type { DecoderWeights } from "./device-weights.js";
import { DecoderLayer } from "./layer.js";
import type { LinearGroup } from "./linears.js";
import type { LoraOperands } from "./lora.js";

/** The adapters that a graph computes with. */
export interface GraphAdapters {
  /** Operands of a stacked linear, or undefined where no adapter targets it. */
  group(layer: number, group: LinearGroup): LoraOperands | undefined;
}

/** Shapes: T rows, D hidden, V vocabulary. The residual stream h is (T, D) float32. */
export class DecoderGraph {
  readonly layers: readonly DecoderLayer[];

  /** @param activations storage of activations and of their gradients; the residual stream is float32 in both */
  constructor(
    readonly device: Device,
    readonly config: ModelConfig,
    readonly weights: DecoderWeights,
    readonly adapters: GraphAdapters | undefined,
    readonly activations: "bf16" | "f32",
  ) {
    this.layers = weights.layers.map((own, index) => new DecoderLayer(this, own, index));
  }

  activation(arena: Arena, rows: number, columns: number): Tensor {
    return arena.tensor([rows, columns], this.activations);
  }

  /** (T, headDim) from positions (T): what `rope` turns q and k by. */
  ropeTable(positions: Tensor, arena: Arena): Tensor {
    const cosSin = arena.tensor([positions.shape[0] ?? 0, this.config.headDim], "f32");
    const { frequencies, magnitude } = this.weights.rope;
    this.device.ops.ropeTable({ positions, cosSin, frequencies, magnitude });
    return cosSin;
  }

  /** (T) from positions (T): what `rope` multiplies q by, in a model that scales it. */
  queryScale(positions: Tensor, arena: Arena): Tensor | undefined {
    const { queryScales } = this.weights.rope;
    if (queryScales === undefined) return undefined;
    const rows = positions.shape[0] ?? 0;
    const scale = arena.tensor([rows], "f32");
    this.device.ops.gatherRows({ source: queryScales, rows: positions, target: scale.view([rows, 1]) });
    return scale;
  }

  /** h from ids (T). */
  embed(ids: Tensor, arena: Arena): Tensor {
    const h = arena.tensor([ids.shape[0] ?? 0, this.config.hiddenSize], "f32");
    this.device.ops.embedding({ ids, table: this.weights.embedding, y: h });
    return h;
  }

  norm(x: Tensor, weight: Tensor, y: Tensor, rstd?: Tensor): void {
    this.device.ops.rmsNormForward({ x, weight, y, rstd, eps: this.config.rmsNormEps });
  }

  /** Final norm and head: logits (T, V) float32. */
  logits(h: Tensor, logits: Tensor, arena: Arena): void {
    arena.scope(() => {
      const x = this.activation(arena, h.shape[0] ?? 0, this.config.hiddenSize);
      this.norm(h, this.weights.finalNorm, x);
      this.device.ops.loraLinearForward({ x, weight: this.weights.head, y: logits });
    });
  }

  /** Final norm, head and cross-entropy; `dh` receives the gradient at the last layer's output. */
  loss(h: Tensor, targets: Tensor, loss: Tensor, dh: Tensor | undefined, arena: Arena): void {
    const { device, config, weights } = this;
    const tokens = h.shape[0] ?? 0;
    arena.scope(() => {
      const x = this.activation(arena, tokens, config.hiddenSize);
      const rstd = arena.tensor([tokens], "f32");
      this.norm(h, weights.finalNorm, x, rstd);
      const dx = dh === undefined ? undefined : this.activation(arena, tokens, config.hiddenSize);
      device.ops.linearCrossEntropy({ x, weight: weights.head, targets, loss, dx });
      if (dh === undefined || dx === undefined) return;
      device.ops.rmsNormBackward({ dy: dx, x: h, weight: weights.finalNorm, rstd, dx: dh });
    });
  }
}
