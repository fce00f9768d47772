/**
 * The Llama/Mistral decoder for training, written out: forward, loss and backward over the op table. What each op
 * means stands in native/ops.h; the order here is the model.
 *
 * Shapes: T tokens of a packed batch, D hidden, C = (heads + 2 kvHeads) * headDim, F intermediate.
 */
import type { Arena } from "../runtime/arena.js";
import type { Device } from "../runtime/device.js";
import type { Tensor } from "../runtime/tensor.js";
import type { ModelConfig } from "./config.js";
import type { DecoderWeights, LayerWeights } from "./device-weights.js";
import { LINEAR_GROUPS, type LinearGroup } from "./linears.js";
import type { LoraAdapter } from "./lora.js";

export interface DecoderOptions {
  /** Storage of activations and of their gradients; the residual stream is float32 in both. */
  activations: "bf16" | "f32";
  /** `layer` keeps only each layer's input and computes the rest again on the way back. */
  recompute: "none" | "layer";
}

/** A packed batch on the device (lib/data/packing.ts says how it is made). */
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

/** What a layer's backward pass reads. */
interface SavedLayer {
  /** (T, D) the residual stream at the layer's input, rounded to the activations' dtype */
  input: Tensor;
  rstdInput: Tensor;
  /** (T, C), rotated */
  qkv: Tensor;
  /** (T, heads * headDim) */
  attention: Tensor;
  lse: Tensor;
  /** (T, D) the residual stream between attention and MLP, rounded likewise */
  middle: Tensor;
  rstdMiddle: Tensor;
  /** (T, 2F) */
  gateUp: Tensor;
  /** x A^T of the groups that carry LoRA */
  xa: Partial<Record<LinearGroup, Tensor>>;
}

export class Decoder {
  constructor(
    readonly device: Device,
    readonly config: ModelConfig,
    readonly weights: DecoderWeights,
    readonly adapter: LoraAdapter | undefined,
    readonly options: DecoderOptions,
  ) {}

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
    const { device, config, weights } = this;
    const tokens = batch.tokens.shape[0] ?? 0;
    const losses = arena.tensor([tokens], "f32");
    arena.scope(() => {
      const cosSin = this.ropeTable(batch, arena);
      const h = arena.tensor([tokens, config.hiddenSize], "f32");
      device.ops.embedding({ ids: batch.tokens, table: weights.embedding, y: h });
      if (!backward) {
        for (let layer = 0; layer < config.layers; layer++) {
          arena.scope(() => this.layerForward(layer, h, cosSin, batch, arena, "only"));
        }
        arena.scope(() => this.lossOf(h, undefined, batch, losses, arena));
        return;
      }
      // Of each layer either everything that its backward pass reads, or its input alone, in full precision.
      const saved: SavedLayer[] = [];
      const inputs: Tensor[] = [];
      for (let layer = 0; layer < config.layers; layer++) {
        if (this.options.recompute === "none") {
          saved.push(this.layerForward(layer, h, cosSin, batch, arena, "save"));
        } else {
          const input = arena.tensor(h.shape, "f32");
          device.ops.cast({ source: h, target: input });
          inputs.push(input);
          arena.scope(() => this.layerForward(layer, h, cosSin, batch, arena, "only"));
        }
      }
      const dh = this.activation(arena, tokens, config.hiddenSize);
      arena.scope(() => this.lossOf(h, dh, batch, losses, arena));
      for (let layer = config.layers - 1; layer >= 0; layer--) {
        arena.scope(() => {
          const kept =
            saved[layer] ??
            this.layerForward(layer, inputs[layer] as Tensor, cosSin, batch, arena, "recompute");
          this.layerBackward(layer, dh, kept, cosSin, batch, arena);
        });
      }
    });
    return losses;
  }

  /** Logits (T, V) float32 of every token, for tests and small models: the whole matrix is in memory. */
  logits(batch: Omit<DeviceBatch, "targets">, arena: Arena): Tensor {
    const { device, config, weights } = this;
    const tokens = batch.tokens.shape[0] ?? 0;
    const logits = arena.tensor([tokens, config.vocabSize], "f32");
    arena.scope(() => {
      const cosSin = this.ropeTable(batch, arena);
      const h = arena.tensor([tokens, config.hiddenSize], "f32");
      device.ops.embedding({ ids: batch.tokens, table: weights.embedding, y: h });
      for (let layer = 0; layer < config.layers; layer++) {
        arena.scope(() => this.layerForward(layer, h, cosSin, batch, arena, "only"));
      }
      const x = this.activation(arena, tokens, config.hiddenSize);
      device.ops.rmsNormForward({ x: h, weight: weights.finalNorm, y: x, eps: config.rmsNormEps });
      device.ops.loraLinearForward({ x, weight: weights.head, y: logits });
    });
    return logits;
  }

  private activation(arena: Arena, rows: number, columns: number): Tensor {
    return arena.tensor([rows, columns], this.options.activations);
  }

  private ropeTable(batch: { positions: Tensor }, arena: Arena): Tensor {
    const { headDim, ropeTheta } = this.config;
    const cosSin = arena.tensor([batch.positions.shape[0] ?? 0, headDim], "f32");
    this.device.ops.ropeTable({ positions: batch.positions, cosSin, headDim, theta: ropeTheta });
    return cosSin;
  }

  private norm(x: Tensor, weight: Tensor, y: Tensor, rstd?: Tensor): void {
    this.device.ops.rmsNormForward({ x, weight, y, rstd, eps: this.config.rmsNormEps });
  }

  /** y = x W^T (+ LoRA) (+ residual). `xa` receives x A^T where the backward pass will want it. */
  private linear(
    layer: number,
    group: LinearGroup,
    x: Tensor,
    y: Tensor,
    extra: { xa?: Tensor | undefined; residual?: Tensor },
  ): void {
    const weight = (this.weights.layers[layer] as LayerWeights).linears[group];
    const lora = this.adapter?.group(layer, group);
    const operands =
      lora === undefined
        ? {}
        : { loraA: lora.loraA, loraB: lora.loraB, segments: lora.segments, slots: lora.slots, xa: extra.xa };
    const scale = this.adapter?.scale;
    this.device.ops.loraLinearForward({ x, weight, residual: extra.residual, y, scale, ...operands });
  }

  /** dx = dy W (+ LoRA), and the adapter's gradients; `x` is asked for only where they need it. */
  private linearBackward(
    layer: number,
    group: LinearGroup,
    dy: Tensor,
    dx: Tensor | undefined,
    x: () => Tensor,
    xa: Tensor | undefined,
  ): void {
    const weight = (this.weights.layers[layer] as LayerWeights).linears[group];
    const lora = this.adapter?.group(layer, group);
    if (lora === undefined || this.adapter === undefined) {
      if (dx !== undefined) this.device.ops.loraLinearBackward({ dy, weight, dx });
      return;
    }
    const scale = this.adapter.scale;
    this.device.ops.loraLinearBackward({ dy, weight, x: x(), xa, dx, scale, ...gradientOperands(lora) });
  }

  /**
   * One layer, in place on the residual stream h. `only` keeps nothing; `save` returns what the backward pass needs, in
   * `arena`; `recompute` does so too and stops where that is complete.
   */
  private layerForward(
    layer: number,
    h: Tensor,
    cosSin: Tensor,
    batch: Pick<DeviceBatch, "offsets">,
    arena: Arena,
    purpose: "only" | "save" | "recompute",
  ): SavedLayer {
    const { device } = this;
    const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = this.config;
    const weights = this.weights.layers[layer] as LayerWeights;
    const saved = this.saveLayer(layer, h, arena, purpose !== "only");
    const { input, rstdInput, qkv, attention, lse, middle, rstdMiddle, gateUp, xa } = saved;
    const tokens = h.shape[0] ?? 0;
    arena.scope(() => {
      const x = this.activation(arena, tokens, hiddenSize);
      if (input !== h) device.ops.cast({ source: h, target: input });
      this.norm(h, weights.inputNorm, x, rstdInput);
      this.linear(layer, "qkv", x, qkv, { xa: xa.qkv });
      device.ops.rope({ x: qkv, cosSin, heads: heads + kvHeads, headDim });
      const scale = 1 / Math.sqrt(headDim);
      device.ops.attentionForward({
        qkv,
        offsets: batch.offsets,
        y: attention,
        lse,
        heads,
        kvHeads,
        headDim,
        scale,
      });
      this.linear(layer, "o", attention, h, { xa: xa.o, residual: h });

      if (middle !== h) device.ops.cast({ source: h, target: middle });
      this.norm(h, weights.postAttentionNorm, x, rstdMiddle);
      this.linear(layer, "gateUp", x, gateUp, { xa: xa.gateUp });
      if (purpose === "recompute" && xa.down === undefined) return;
      const gated = this.activation(arena, tokens, intermediateSize);
      device.ops.swigluForward({ gateUp, y: gated });
      this.linear(layer, "down", gated, h, { xa: xa.down, residual: h });
    });
    return saved;
  }

  private saveLayer(layer: number, h: Tensor, arena: Arena, backward: boolean): SavedLayer {
    const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = this.config;
    const tokens = h.shape[0] ?? 0;
    const xa: SavedLayer["xa"] = {};
    if (backward) {
      for (const group of LINEAR_GROUPS) {
        const lora = this.adapter?.group(layer, group);
        if (lora !== undefined) xa[group] = this.activation(arena, tokens, lora.columns);
      }
    }
    return {
      input: backward ? this.activation(arena, tokens, hiddenSize) : h,
      rstdInput: arena.tensor([tokens], "f32"),
      qkv: this.activation(arena, tokens, (heads + 2 * kvHeads) * headDim),
      attention: this.activation(arena, tokens, heads * headDim),
      lse: arena.tensor([tokens, heads], "f32"),
      middle: backward ? this.activation(arena, tokens, hiddenSize) : h,
      rstdMiddle: arena.tensor([tokens], "f32"),
      gateUp: this.activation(arena, tokens, 2 * intermediateSize),
      xa,
    };
  }

  /** dh, the gradient at the layer's output, becomes the gradient at its input (except in layer 0, where none is needed). */
  private layerBackward(
    layer: number,
    dh: Tensor,
    saved: SavedLayer,
    cosSin: Tensor,
    batch: Pick<DeviceBatch, "offsets">,
    arena: Arena,
  ): void {
    const { device, config } = this;
    const weights = this.weights.layers[layer] as LayerWeights;
    const tokens = dh.shape[0] ?? 0;
    const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = config;
    const { input, middle, rstdMiddle, rstdInput, qkv, attention, lse, gateUp, xa } = saved;

    const normed = (x: Tensor, weight: Tensor) => (): Tensor => {
      const y = this.activation(arena, tokens, hiddenSize);
      this.norm(x, weight, y);
      return y;
    };
    // MLP: dh -> d(gated) -> d(gateUp) -> d(norm) -> dh
    arena.scope(() => {
      const dGateUp = gateUp; // gateUp is not needed again
      arena.scope(() => {
        const dGated = this.activation(arena, tokens, intermediateSize);
        this.linearBackward(layer, "down", dh, dGated, () => this.gated(gateUp, arena), xa.down);
        device.ops.swigluBackward({ dy: dGated, gateUp, dGateUp });
      });
      const dx = this.activation(arena, tokens, hiddenSize);
      this.linearBackward(layer, "gateUp", dGateUp, dx, normed(middle, weights.postAttentionNorm), xa.gateUp);
      const weight = weights.postAttentionNorm;
      device.ops.rmsNormBackward({ dy: dx, x: middle, weight, rstd: rstdMiddle, dResidual: dh, dx: dh });
    });
    // Attention: dh -> d(attention) -> d(qkv) -> d(norm) -> dh
    arena.scope(() => {
      const dqkv = this.activation(arena, tokens, (heads + 2 * kvHeads) * headDim);
      arena.scope(() => {
        const dAttention = this.activation(arena, tokens, heads * headDim);
        this.linearBackward(layer, "o", dh, dAttention, () => attention, xa.o);
        device.ops.attentionBackward({
          dy: dAttention,
          qkv,
          y: attention,
          lse,
          offsets: batch.offsets,
          dqkv,
          heads,
          kvHeads,
          headDim,
          scale: 1 / Math.sqrt(headDim),
        });
      });
      const dx = layer === 0 ? undefined : this.activation(arena, tokens, hiddenSize);
      device.ops.rope({ x: dqkv, cosSin, heads: heads + kvHeads, headDim, inverse: 1 });
      this.linearBackward(layer, "qkv", dqkv, dx, normed(input, weights.inputNorm), xa.qkv);
      if (dx === undefined) return;
      const weight = weights.inputNorm;
      device.ops.rmsNormBackward({ dy: dx, x: input, weight, rstd: rstdInput, dResidual: dh, dx: dh });
    });
  }

  private gated(gateUp: Tensor, arena: Arena): Tensor {
    const y = this.activation(arena, gateUp.shape[0] ?? 0, this.config.intermediateSize);
    this.device.ops.swigluForward({ gateUp, y });
    return y;
  }

  /** Final norm, head and cross-entropy; `dh` receives the gradient at the last layer's output. */
  private lossOf(h: Tensor, dh: Tensor | undefined, batch: DeviceBatch, losses: Tensor, arena: Arena): void {
    const { device, config, weights } = this;
    const tokens = h.shape[0] ?? 0;
    const x = this.activation(arena, tokens, config.hiddenSize);
    const rstd = arena.tensor([tokens], "f32");
    this.norm(h, weights.finalNorm, x, rstd);
    const dx = dh === undefined ? undefined : this.activation(arena, tokens, config.hiddenSize);
    device.ops.linearCrossEntropy({ x, weight: weights.head, targets: batch.targets, loss: losses, dx });
    if (dh === undefined || dx === undefined) return;
    device.ops.rmsNormBackward({ dy: dx, x: h, weight: weights.finalNorm, rstd, dx: dh });
  }
}

function gradientOperands(lora: NonNullable<ReturnType<LoraAdapter["group"]>>) {
  const { loraA, loraB, dLoraA, dLoraB, segments, slots } = lora;
  return { loraA, loraB, dLoraA, dLoraB, segments, slots };
}
