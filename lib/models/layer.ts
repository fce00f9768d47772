/**
 * One layer of the decoder, for training and generation alike: attention and MLP, each with its backward pass beside it.
 * How rows attend to each other differs, packed sequences or a paged cache, and is the pass's affair.
 *
 * Shapes: T rows, D hidden, H = heads * headDim, C = (heads + 2 kvHeads) * headDim, F intermediate. h is the residual
 * stream, (T, D) float32, on which a layer works in place.
 */
import type { Arena } from "../runtime/arena.js";
import type { Tensor } from "../runtime/tensor.js";
import type { LayerWeights } from "./device-weights.js";
import type { DecoderGraph } from "./graph.js";
import { LINEAR_GROUPS, type LinearGroup } from "./linears.js";

/** What the layers of one pass over T rows share. */
export interface Pass {
  /** (T, headDim), from `DecoderGraph.ropeTable` */
  cosSin: Tensor;
  /** (T) factors of q, from `DecoderGraph.queryScale`; undefined for 1 */
  queryScale: Tensor | undefined;
  /** (T) i32, -1 for none; absent: adapter 0 for all rows */
  adapterOfRow?: Tensor;
  /** y (T, H) from qkv (T, C), whose q and k are rotated; `lse` (T, heads) where it is kept for the way back. */
  attend(layer: number, qkv: Tensor, y: Tensor, lse: Tensor | undefined): void;
}

/** A pass that has a way back. */
export interface TrainingPass extends Pass {
  attendBackward(dy: Tensor, saved: Pick<SavedLayer, "qkv" | "attention" | "lse">, dqkv: Tensor): void;
}

/** What a layer's backward pass reads. */
export interface SavedLayer {
  /** (T, D) h at the layer's input, rounded to the activations' dtype */
  input: Tensor;
  rstdInput: Tensor;
  /** (T, C), rotated */
  qkv: Tensor;
  /** (T, H) */
  attention: Tensor;
  lse: Tensor;
  /** (T, D) h between attention and MLP, rounded likewise */
  middle: Tensor;
  rstdMiddle: Tensor;
  /** (T, 2F), or in its place `normed`, from which the way back computes it again */
  gateUp?: Tensor;
  /** (T, D), the very input of gate and up: that of the rounded `middle` would give other bits */
  normed?: Tensor;
  /** x A^T of the groups that carry LoRA */
  xa: Partial<Record<LinearGroup, Tensor>>;
}

export class DecoderLayer {
  constructor(
    private readonly graph: DecoderGraph,
    private readonly weights: LayerWeights,
    private readonly index: number,
  ) {}

  /** The layer, in place on h. Fills the tensors of `saved`; the rest is scratch. */
  forward(h: Tensor, pass: Pass, arena: Arena, saved: Partial<SavedLayer> = {}): void {
    this.attention(h, pass, arena, saved);
    this.mlp(h, pass, arena, saved);
  }

  /** Computes again what `backward` reads, from the layer's input h, and stops where that is complete. */
  recompute(h: Tensor, pass: TrainingPass, arena: Arena): SavedLayer {
    const saved = this.save(h.shape[0] ?? 0, arena, "gateUp");
    this.attention(h, pass, arena, saved);
    this.mlp(h, pass, arena, saved, { untilSaved: true });
    return saved;
  }

  /** dh, the gradient at the layer's output, becomes that at its input (not in layer 0, below which none is needed). */
  backward(dh: Tensor, pass: TrainingPass, saved: SavedLayer, arena: Arena): void {
    this.mlpBackward(dh, pass, saved, arena);
    this.attentionBackward(dh, pass, saved, arena);
  }

  /** Room for all that the backward pass of T rows reads; of the MLP's inside gateUp or what it comes from. */
  save(tokens: number, arena: Arena, inside: "gateUp" | "normed"): SavedLayer {
    const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = this.graph.config;
    const activation = (columns: number): Tensor => this.graph.activation(arena, tokens, columns);
    const xa: SavedLayer["xa"] = {};
    for (const group of LINEAR_GROUPS) {
      const columns = this.lora(group)?.loraA.shape[1];
      if (columns !== undefined) xa[group] = activation(columns);
    }
    return {
      input: activation(hiddenSize),
      rstdInput: arena.tensor([tokens], "f32"),
      qkv: activation((heads + 2 * kvHeads) * headDim),
      attention: activation(heads * headDim),
      lse: arena.tensor([tokens, heads], "f32"),
      middle: activation(hiddenSize),
      rstdMiddle: arena.tensor([tokens], "f32"),
      [inside]: activation(inside === "gateUp" ? 2 * intermediateSize : hiddenSize),
      xa,
    };
  }

  /** h += o(attention(rope(qkv(norm(h))))) */
  private attention(h: Tensor, pass: Pass, arena: Arena, saved: Partial<SavedLayer>): void {
    const { device, config } = this.graph;
    const { hiddenSize, heads, kvHeads, headDim } = config;
    arena.scope(() => {
      const activation = this.scratch(h, arena);
      const x = activation(hiddenSize);
      const qkv = saved.qkv ?? activation((heads + 2 * kvHeads) * headDim);
      const y = saved.attention ?? activation(heads * headDim);
      if (saved.input !== undefined) device.ops.cast({ source: h, target: saved.input });
      this.graph.norm(h, this.weights.inputNorm, x, saved.rstdInput);
      this.linear("qkv", x, qkv, pass, { xa: saved.xa?.qkv });
      this.rotate(qkv, pass);
      pass.attend(this.index, qkv, y, saved.lse);
      this.linear("o", y, h, pass, { xa: saved.xa?.o, residual: h });
    });
  }

  /** dh -> d(attention) -> d(qkv) -> d(norm) -> dh */
  private attentionBackward(dh: Tensor, pass: TrainingPass, saved: SavedLayer, arena: Arena): void {
    const { device, config } = this.graph;
    const { hiddenSize, heads, kvHeads, headDim } = config;
    const { input, rstdInput, attention, xa } = saved;
    arena.scope(() => {
      const activation = this.scratch(dh, arena);
      const dqkv = activation((heads + 2 * kvHeads) * headDim);
      arena.scope(() => {
        const dAttention = activation(heads * headDim);
        this.linearBackward("o", dh, dAttention, () => attention, xa.o);
        pass.attendBackward(dAttention, saved, dqkv);
      });
      const dx = this.index === 0 ? undefined : activation(hiddenSize);
      this.rotate(dqkv, pass, { inverse: 1 });
      const weight = this.weights.inputNorm;
      this.linearBackward("qkv", dqkv, dx, () => this.normed(input, weight, arena), xa.qkv);
      if (dx === undefined) return;
      device.ops.rmsNormBackward({ dy: dx, x: input, weight, rstd: rstdInput, dResidual: dh, dx: dh });
    });
  }

  /** Rotates q and k of qkv (T, C) in place and scales q; `inverse` is the way of the gradient. */
  private rotate(qkv: Tensor, { cosSin, queryScale }: Pass, { inverse = 0 } = {}): void {
    const { device, config } = this.graph;
    const { heads, kvHeads, headDim } = config;
    const scaled = queryScale === undefined ? {} : { qScale: queryScale, qHeads: heads };
    device.ops.rope({ x: qkv, cosSin, heads: heads + kvHeads, headDim, inverse, ...scaled });
  }

  /** h += down(silu(gate(norm(h))) * up(norm(h))). `untilSaved`: h does not matter any more, only what is saved. */
  private mlp(
    h: Tensor,
    pass: Pass,
    arena: Arena,
    saved: Partial<SavedLayer>,
    { untilSaved = false } = {},
  ): void {
    const { device, config } = this.graph;
    const { hiddenSize, intermediateSize } = config;
    arena.scope(() => {
      const activation = this.scratch(h, arena);
      const x = saved.normed ?? activation(hiddenSize);
      const gateUp = saved.gateUp ?? activation(2 * intermediateSize);
      if (saved.middle !== undefined) device.ops.cast({ source: h, target: saved.middle });
      this.graph.norm(h, this.weights.postAttentionNorm, x, saved.rstdMiddle);
      this.linear("gateUp", x, gateUp, pass, { xa: saved.xa?.gateUp });
      if (untilSaved && saved.xa?.down === undefined) return;
      const gated = this.gated(gateUp, arena);
      this.linear("down", gated, h, pass, { xa: saved.xa?.down, residual: h });
    });
  }

  /** dh -> d(gated) -> d(gateUp) -> d(norm) -> dh */
  private mlpBackward(dh: Tensor, pass: Pass, saved: SavedLayer, arena: Arena): void {
    const { device, config } = this.graph;
    const { hiddenSize, intermediateSize } = config;
    const { middle, rstdMiddle, normed, xa } = saved;
    arena.scope(() => {
      const activation = this.scratch(dh, arena);
      const gateUp = saved.gateUp ?? activation(2 * intermediateSize);
      if (normed !== undefined) this.linear("gateUp", normed, gateUp, pass);
      const dGateUp = gateUp; // gateUp is not needed again
      arena.scope(() => {
        const dGated = activation(intermediateSize);
        this.linearBackward("down", dh, dGated, () => this.gated(gateUp, arena), xa.down);
        device.ops.swigluBackward({ dy: dGated, gateUp, dGateUp });
      });
      const dx = activation(hiddenSize);
      const weight = this.weights.postAttentionNorm;
      this.linearBackward("gateUp", dGateUp, dx, () => this.normed(middle, weight, arena), xa.gateUp);
      device.ops.rmsNormBackward({ dy: dx, x: middle, weight, rstd: rstdMiddle, dResidual: dh, dx: dh });
    });
  }

  /** y = x W^T (+ bias) (+ LoRA) (+ residual). `xa` receives x A^T where the backward pass will want it. */
  private linear(
    group: LinearGroup,
    x: Tensor,
    y: Tensor,
    { adapterOfRow }: Pass,
    { xa, residual }: { xa?: Tensor | undefined; residual?: Tensor } = {},
  ): void {
    const { device } = this.graph;
    const weight = this.weights.linears[group];
    const bias = this.weights.biases[group];
    const lora = this.lora(group);
    if (lora === undefined) return device.ops.loraLinearForward({ x, weight, bias, residual, y });
    const { loraA, loraB, segments, slots, scale } = lora;
    const operands = { loraA, loraB, adapterOfRow, segments, slots, scale, xa };
    device.ops.loraLinearForward({ x, weight, bias, residual, y, ...operands });
  }

  /** dx = dy W (+ LoRA), and the adapter's gradients; `x` is asked for only where they need it. */
  private linearBackward(
    group: LinearGroup,
    dy: Tensor,
    dx: Tensor | undefined,
    x: () => Tensor,
    xa: Tensor | undefined,
  ): void {
    const { device } = this.graph;
    const weight = this.weights.linears[group];
    const lora = this.lora(group);
    if (lora !== undefined) {
      device.ops.loraLinearBackward({ dy, weight, x: x(), xa, dx, ...lora });
    } else if (dx !== undefined) {
      device.ops.loraLinearBackward({ dy, weight, dx });
    }
  }

  private lora(group: LinearGroup) {
    return this.graph.adapters?.group(this.index, group);
  }

  /** Takes activations as high as `like` from the arena. */
  private scratch(like: Tensor, arena: Arena): (columns: number) => Tensor {
    return (columns) => this.graph.activation(arena, like.shape[0] ?? 0, columns);
  }

  private normed(x: Tensor, weight: Tensor, arena: Arena): Tensor {
    const y = this.scratch(x, arena)(this.graph.config.hiddenSize);
    this.graph.norm(x, weight, y);
    return y;
  }

  private gated(gateUp: Tensor, arena: Arena): Tensor {
    const y = this.scratch(gateUp, arena)(this.graph.config.intermediateSize);
    this.graph.device.ops.swigluForward({ gateUp, y });
    return y;
  }
}
