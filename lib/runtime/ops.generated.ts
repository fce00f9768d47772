// Made by scripts/generate-op-types.mjs from native/ops.h. Do not edit.
import type { Tensor } from "./tensor.js";

/**
 * An op of at most this many rows gives each the bits that it would get alone. It is what makes a text independent of
 * its batch, and speculation exact.
 */
export const EXACT_ROWS = 16;

/** Of the op table, names and layouts, as an addon says it of its own (`build.opTable`). */
export const OP_TABLE = "b6332454e5ac3454";

/** y[t] = table[ids[t]]. An id outside the table is an error. */
export interface Embedding {
  /** (T); index; in; token ids */
  ids: Tensor;
  /** (V, D); weight; in */
  table: Tensor;
  /** (T, D); act; out */
  y: Tensor;
}

/** y = x * rstd * weight, rstd = 1/sqrt(mean(x^2) + eps). (Zhang & Sennrich 2019) */
export interface RmsNormForward {
  /** (T, D); act; in */
  x: Tensor;
  /** (D); acc; in */
  weight: Tensor;
  /** (T, D); act; out */
  y: Tensor;
  /** (T); acc; outOptional; kept for the backward pass */
  rstd?: Tensor | undefined;
  /** default 0.00001 */
  eps?: number | undefined;
}

/** dx = dResidual + d(rmsNorm)/dx * dy, for a frozen weight. */
export interface RmsNormBackward {
  /** (T, D); act; in */
  dy: Tensor;
  /** (T, D); act; in */
  x: Tensor;
  /** (D); acc; in */
  weight: Tensor;
  /** (T); acc; in */
  rstd: Tensor;
  /** (T, D); act; inOptional; gradient that reached x by the residual stream; may be dx itself */
  dResidual?: Tensor | undefined;
  /** (T, D); act; out */
  dx: Tensor;
}

/** y = x W^T + bias + scale * (x A^T) B^T + residual, in one pass over x. (Hu et al. 2021) The rows of W are segments (q, k, v stacked, or gate, up): segment i ends before row segments[i] and uses columns [slots[i]*r, (slots[i]+1)*r) of x A^T, or no LoRA where slots[i] is -1. Row n of B belongs to row n of W. */
export interface LoraLinearForward {
  /** (T, K); act; in */
  x: Tensor;
  /** (N, K); weight; in */
  weight: Tensor;
  /** (P, R, K); act; inOptional; P adapters; R = r * the number of slots. Absent: a plain linear */
  loraA?: Tensor | undefined;
  /** (P, N, r); act; inOptional */
  loraB?: Tensor | undefined;
  /** (T); index; inOptional; adapter of each row, -1 for none; absent: adapter 0 for all */
  adapterOfRow?: Tensor | undefined;
  /** (N); acc; inOptional; added to every row (Qwen2's q, k, v); frozen */
  bias?: Tensor | undefined;
  /** (T, N); act; inOptional; added to the result; may be y itself */
  residual?: Tensor | undefined;
  /** (T, N); act; out */
  y: Tensor;
  /** (T, R); act; outOptional; x A^T, kept for the backward pass (P = 1) */
  xa?: Tensor | undefined;
  /** ends of the row segments of W, the last is N; empty: one segment */
  segments?: readonly number[] | undefined;
  /** LoRA slot of each segment or -1; empty: slot 0 for one segment */
  slots?: readonly number[] | undefined;
  /** alpha / r; default 1 */
  scale?: number | undefined;
}

/** dx = dy W + scale * (dy B) A; dLoraA += scale * (dy B)^T x; dLoraB += scale * dy^T (x A^T). Segments as in loraLinearForward. */
export interface LoraLinearBackward {
  /** (T, N); act; in */
  dy: Tensor;
  /** (N, K); weight; in */
  weight: Tensor;
  /** (T, K); act; inOptional; needed for dLoraA */
  x?: Tensor | undefined;
  /** (T, R); act; inOptional; needed for dLoraB */
  xa?: Tensor | undefined;
  /** (1, R, K); acc; inOptional */
  loraA?: Tensor | undefined;
  /** (1, N, r); acc; inOptional */
  loraB?: Tensor | undefined;
  /** (T, K); act; outOptional; absent where nothing below needs it */
  dx?: Tensor | undefined;
  /** (R, K); acc; inOutOptional; added to */
  dLoraA?: Tensor | undefined;
  /** (N, r); acc; inOutOptional; added to */
  dLoraB?: Tensor | undefined;
  /** as in loraLinearForward */
  segments?: readonly number[] | undefined;
  /** as in loraLinearForward */
  slots?: readonly number[] | undefined;
  /** alpha / r; default 1 */
  scale?: number | undefined;
}

/** cosSin[t] = magnitude * [cos(p_t * f_i) for i < half | sin(the same)], f_i = frequencies[0][i] + frequencies[1][i]: two float32 numbers hold what long contexts need, on devices without float64 too. (Su et al. 2021) */
export interface RopeTable {
  /** (T); index; in */
  positions: Tensor;
  /** (2, half); acc; in; radians a position: the rounded value, and what the rounding lost */
  frequencies: Tensor;
  /** (T, 2*half); acc; out */
  cosSin: Tensor;
  /** YaRN's attention factor (Peng et al. 2023); default 1 */
  magnitude?: number | undefined;
}

/** Rotates the first `heads` heads of every row in place, half-split pairs (i, i + headDim/2), and multiplies the first `qHeads` of them by qScale[t]; inverse = 1 rotates back and multiplies, which is the gradient. */
export interface Rope {
  /** (T, C); act; inOut; C >= heads * headDim */
  x: Tensor;
  /** (T, headDim); acc; in */
  cosSin: Tensor;
  /** (T); acc; inOptional; factor of a row's q heads, as Ministral 3 has it */
  qScale?: Tensor | undefined;
  /** leading heads to rotate: q and k; default 0 */
  heads?: number | undefined;
  /** default 0 */
  headDim?: number | undefined;
  /** default 0 */
  inverse?: number | undefined;
  /** leading heads that qScale multiplies; default 0 */
  qHeads?: number | undefined;
}

/** Causal grouped-query attention within each packed sequence [offsets[s], offsets[s+1]); rows of qkv are [q heads | k heads | v heads]. lse is the log-sum-exp of the scaled scores. (Dao et al. 2022) */
export interface AttentionForward {
  /** (T, (heads+2*kvHeads)*headDim); act; in */
  qkv: Tensor;
  /** (S); index; in; sequence starts and, last, T; ascending */
  offsets: Tensor;
  /** (T, heads*headDim); act; out */
  y: Tensor;
  /** (T, heads); acc; out */
  lse: Tensor;
  /** a multiple of kvHeads; default 0 */
  heads?: number | undefined;
  /** default 0 */
  kvHeads?: number | undefined;
  /** default 0 */
  headDim?: number | undefined;
  /** 1/sqrt(headDim); default 1 */
  scale?: number | undefined;
}

/** Gradient of attentionForward with respect to qkv, from the saved lse. */
export interface AttentionBackward {
  /** (T, heads*headDim); act; in */
  dy: Tensor;
  /** (T, (heads+2*kvHeads)*headDim); act; in */
  qkv: Tensor;
  /** (T, heads*headDim); act; in */
  y: Tensor;
  /** (T, heads); acc; in */
  lse: Tensor;
  /** (S); index; in */
  offsets: Tensor;
  /** (T, (heads+2*kvHeads)*headDim); act; out */
  dqkv: Tensor;
  /** default 0 */
  heads?: number | undefined;
  /** default 0 */
  kvHeads?: number | undefined;
  /** default 0 */
  headDim?: number | undefined;
  /** default 1 */
  scale?: number | undefined;
}

/** Stores the k and v heads of row t in slot slots[t] = block * W + place of the paged cache; -1 stores nothing. Into q8_0, in float32: scale = f16(max |x| / 127) of each 32 values, codes = x / scale to nearest even within +-127; all codes are 0 where the scale is 0 or not finite, and a NaN makes it NaN. */
export interface KvCacheWrite {
  /** (T, (heads+2*kvHeads)*headDim); act; in */
  qkv: Tensor;
  /** (T); index; in */
  slots: Tensor;
  /** (B, kvHeads, W, headDim); cache; inOut; q8_0: both or neither */
  kCache: Tensor;
  /** (B, kvHeads, W, headDim); cache; inOut */
  vCache: Tensor;
  /** default 0 */
  heads?: number | undefined;
  /** default 0 */
  kvHeads?: number | undefined;
  /** default 0 */
  headDim?: number | undefined;
}

/** Attention of each query row to positions 0..rowPosition[t] of its sequence in the paged cache: position p lies in block blockTable[rowSequence[t]][p / W], place p mod W. (Kwon et al. 2023) */
export interface PagedAttention {
  /** (T, (heads+2*kvHeads)*headDim); act; in; only the q heads are read */
  qkv: Tensor;
  /** (B, kvHeads, W, headDim); cache; in; q8_0: both or neither */
  kCache: Tensor;
  /** (B, kvHeads, W, headDim); cache; in */
  vCache: Tensor;
  /** (S, M); index; in */
  blockTable: Tensor;
  /** (T); index; in */
  rowSequence: Tensor;
  /** (T); index; in */
  rowPosition: Tensor;
  /** (T, heads*headDim); act; out */
  y: Tensor;
  /** default 0 */
  heads?: number | undefined;
  /** default 0 */
  kvHeads?: number | undefined;
  /** default 0 */
  headDim?: number | undefined;
  /** 1/sqrt(headDim); default 1 */
  scale?: number | undefined;
}

/** y = silu(gate) * up; the columns of gateUp are [gate | up]. (Shazeer 2020) */
export interface SwigluForward {
  /** (T, 2*F); act; in */
  gateUp: Tensor;
  /** (T, F); act; out */
  y: Tensor;
}

/** Gradient of swigluForward with respect to gateUp. */
export interface SwigluBackward {
  /** (T, F); act; in */
  dy: Tensor;
  /** (T, 2*F); act; in */
  gateUp: Tensor;
  /** (T, 2*F); act; out; may be gateUp itself */
  dGateUp: Tensor;
}

/** logprob[t] = (x[t] W^T)[targets[t]] - logsumexp(x[t] W^T), loss[t] = -tokenWeight[t] * logprob[t], both 0 where the target is -1; dx = gradScale * dloss/dx. A row of weight 0 counts as one without a target, but for its logprob. The logits are never whole in memory. */
export interface LinearCrossEntropy {
  /** (T, D); act; in */
  x: Tensor;
  /** (V, D); weight; in */
  weight: Tensor;
  /** (T); index; in; -1: not supervised */
  targets: Tensor;
  /** (T); acc; inOptional; finite, of any sign; absent: 1 */
  tokenWeight?: Tensor | undefined;
  /** (T); acc; out */
  loss: Tensor;
  /** (T, D); act; outOptional; 0 in rows that are not supervised */
  dx?: Tensor | undefined;
  /** (T); acc; outOptional */
  logprob?: Tensor | undefined;
  /** default 1 */
  gradScale?: number | undefined;
}

/** norm = sqrt(sum(grad^2)), summed in a fixed order. */
export interface GradNorm {
  /** (P); acc; in */
  grad: Tensor;
  /** (1); acc; out */
  norm: Tensor;
}

/** One step of decoupled Adam over a flat buffer of parameters. The gradient used is grad * gradScale * min(1, maxNorm / (norm * gradScale + 1e-6)); maxNorm <= 0 clips nothing. A norm that is not finite leaves everything as it was. (Loshchilov & Hutter 2019) */
export interface AdamW {
  /** (P); acc; inOut */
  param: Tensor;
  /** (P); acc; in */
  grad: Tensor;
  /** (P); acc; inOut; first moment */
  m: Tensor;
  /** (P); acc; inOut; second moment */
  v: Tensor;
  /** (1); acc; in; of the unscaled gradient, from gradNorm */
  norm: Tensor;
  /** default 0 */
  lr?: number | undefined;
  /** default 0.9 */
  beta1?: number | undefined;
  /** default 0.999 */
  beta2?: number | undefined;
  /** default 1e-8 */
  eps?: number | undefined;
  /** default 0 */
  weightDecay?: number | undefined;
  /** default 0 */
  maxNorm?: number | undefined;
  /** 1 / supervised tokens of the step; default 1 */
  gradScale?: number | undefined;
  /** counts from 1; default 1 */
  step?: number | undefined;
}

/** Draws one id a row, by the row's own settings: greedy (lowest id on a tie) at temperature 0, else by inverse transform of uniform[b] over the top-k, top-p renormalised softmax(logits / temperature) in descending order. Bit v of the mask says that id v is allowed. logprob is of softmax(logits) over the allowed ids. */
export interface Sample {
  /** (B, V); acc; in */
  logits: Tensor;
  /** (B, words); index; inOptional; words = ceil(V / 32) */
  mask?: Tensor | undefined;
  /** (B); acc; inOptional; in [0, 1); needed at a temperature above 0 */
  uniform?: Tensor | undefined;
  /** (B); acc; inOptional; finite, 0 or above; absent: 0 */
  temperature?: Tensor | undefined;
  /** (B); acc; inOptional; in [0, 1]; absent: 1 */
  topP?: Tensor | undefined;
  /** (B); index; inOptional; 0: no limit; absent: 0 */
  topK?: Tensor | undefined;
  /** (B); index; out */
  ids: Tensor;
  /** (B); acc; outOptional */
  logprob?: Tensor | undefined;
}

/** target[i] = source[rows[i]]. */
export interface GatherRows {
  /** (N, D); act; in */
  source: Tensor;
  /** (T); index; in */
  rows: Tensor;
  /** (T, D); act; out */
  target: Tensor;
}

/** target = source, in target's dtype; block formats are dequantised. Both row-major and of one shape. */
export interface Cast {
  /** (*); any; in */
  source: Tensor;
  /** (*); any; out */
  target: Tensor;
}

/** Brings a row-major weight into the backend's packed order. packed has source's dtype, or bf16 or f32 to dequantise. */
export interface PackWeight {
  /** (N, K); weight; in; row-major */
  source: Tensor;
  /** (N, K); weight; out; packed */
  packed: Tensor;
}

/** Every op, as a method that enqueues it. */
export interface Ops {
  embedding(args: Embedding): void;
  rmsNormForward(args: RmsNormForward): void;
  rmsNormBackward(args: RmsNormBackward): void;
  loraLinearForward(args: LoraLinearForward): void;
  loraLinearBackward(args: LoraLinearBackward): void;
  ropeTable(args: RopeTable): void;
  rope(args: Rope): void;
  attentionForward(args: AttentionForward): void;
  attentionBackward(args: AttentionBackward): void;
  kvCacheWrite(args: KvCacheWrite): void;
  pagedAttention(args: PagedAttention): void;
  swigluForward(args: SwigluForward): void;
  swigluBackward(args: SwigluBackward): void;
  linearCrossEntropy(args: LinearCrossEntropy): void;
  gradNorm(args: GradNorm): void;
  adamW(args: AdamW): void;
  sample(args: Sample): void;
  gatherRows(args: GatherRows): void;
  cast(args: Cast): void;
  packWeight(args: PackWeight): void;
}

export const OP_NAMES = [
  "embedding",
  "rmsNormForward",
  "rmsNormBackward",
  "loraLinearForward",
  "loraLinearBackward",
  "ropeTable",
  "rope",
  "attentionForward",
  "attentionBackward",
  "kvCacheWrite",
  "pagedAttention",
  "swigluForward",
  "swigluBackward",
  "linearCrossEntropy",
  "gradNorm",
  "adamW",
  "sample",
  "gatherRows",
  "cast",
  "packWeight",
] as const;
