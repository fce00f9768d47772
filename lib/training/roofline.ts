/**
 * What a device's peaks allow at most. Real speeds lie below: attention, norms, the optimizer, launches and whatever keeps the
 * units from their peak are left out. It is for training that learns from every token, and for decoding one token a step:
 * guesses that prove right (`draftTokens`) give several for one reading of the weights.
 * Model: Williams, Waterman and Patterson, "Roofline" (2009). Peaks: the makers' data sheets (`kernels-cuda/host/planned.cpp`).
 */
import type { ModelConfig } from "../models/config.js";
import type { Recompute } from "../models/decoder.js";
import { expectedTensors } from "../models/weights.js";
import type { DevicePeaks } from "../runtime/native.js";

/** Tokens a second, at most. */
export interface SpeedLimits {
  /** Of training. */
  training?: number;
  /** Of one text that is answered alone. */
  decode: number;
  /** Of all texts together that are answered at a time. */
  decodeTogether: number;
}

/** Parameters of the matrices that every token is multiplied with. */
interface Multiplied {
  mlp: number;
  attention: number;
  head: number;
}

function multiplied(config: ModelConfig): Multiplied {
  const sum: Multiplied = { mlp: 0, attention: 0, head: 0 };
  for (const [name, shape] of expectedTensors(config)) {
    if (shape.length !== 2) continue;
    const size = (shape[0] as number) * (shape[1] as number);
    if (name.includes(".mlp.")) sum.mlp += size;
    else if (name.includes(".self_attn.")) sum.attention += size;
    else if (name === "lm_head.weight" || config.tieWordEmbeddings) sum.head += size;
  }
  return sum;
}

/**
 * Floating-point operations that training spends on a token: two a parameter forward and two for the gradient of the
 * inputs, none for frozen weights, two of each again for an adapter's gradient; and forward once more what is recomputed.
 */
export function trainingFlops(config: ModelConfig, adapterParameters: number, recompute: Recompute): number {
  const { mlp, attention, head } = multiplied(config);
  const again = recompute === "layer" ? mlp + attention : recompute === "mlp" ? (2 / 3) * mlp : 0;
  return 4 * (mlp + attention + head) + 2 * again + 6 * adapterParameters;
}

/** The time of a token's products, where weights come from memory in the form that they are stored in. */
export function speedLimits(
  config: ModelConfig,
  peaks: DevicePeaks,
  need: {
    /** Parameters of the adapter that is trained. */
    adapterParameters: number;
    recompute?: Recompute;
    /** Bytes of all weights on the device. */
    weights: number;
    /** Bytes of an adapter for answering. */
    adapter: number;
    sequences: number;
  },
): SpeedLimits {
  const { adapterParameters, recompute, weights, adapter, sequences } = need;
  const { mlp, attention, head } = multiplied(config);
  const products = mlp + attention + head;
  const embedding = config.tieWordEmbeddings ? 0 : config.vocabSize * config.hiddenSize;
  // Of an embedding of its own, a step reads a row a token.
  const read = weights * (products / (products + embedding)) + adapter;
  const perStep = read / peaks.bytesPerSecond;
  const perToken = (2 * (products + adapterParameters)) / peaks.bf16FlopsPerSecond;
  const limits = {
    decode: 1 / Math.max(perStep, perToken),
    decodeTogether: sequences / Math.max(perStep, sequences * perToken),
  };
  if (recompute === undefined) return limits;
  const flops = trainingFlops(config, adapterParameters, recompute);
  return { training: peaks.bf16FlopsPerSecond / flops, ...limits };
}
