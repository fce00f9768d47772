/**
 * Frequencies of rotary position embeddings (Su et al. 2021) and their stretchings for longer contexts. They are computed
 * once, here; the op `ropeTable` takes them as a tensor, so that no kernel knows one kind from another.
 *
 * The kinds are those of Hugging Face's `rope_parameters`, whose names they keep.
 */
import { z } from "zod";

const positive = z.number().positive();

/** How frequencies are stretched, besides their base. */
export const RopeScaling = z.discriminatedUnion("type", [
  /** Positions are divided by `factor` (Chen et al. 2023). */
  z.strictObject({ type: z.literal("linear"), factor: positive }),
  /** Llama 3.1: long wavelengths are divided by `factor`, short ones stay, those between are blended. */
  z.strictObject({
    type: z.literal("llama3"),
    factor: positive,
    lowFreqFactor: positive,
    highFreqFactor: positive,
    /** Positions that the model was trained with at first. */
    originalContext: z.int().positive(),
  }),
  /** YaRN (Peng et al. 2023): as llama3 by a ramp over the dimensions, and a magnitude. */
  z.strictObject({
    type: z.literal("yarn"),
    factor: positive,
    originalContext: z.int().positive(),
    /** Rotations within the original context above which a dimension stays as it is; default 32. */
    betaFast: positive.optional(),
    /** Rotations below which it is stretched whole; default 1. */
    betaSlow: positive.optional(),
    /** The magnitude; default by `mscale` and `mscaleAllDim`, or 0.1 ln(factor) + 1 without them. */
    attentionFactor: positive.optional(),
    mscale: z.number().nonnegative().optional(),
    mscaleAllDim: z.number().nonnegative().optional(),
    /** Whether the ramp begins and ends at whole dimensions; default true. */
    truncate: z.boolean().optional(),
  }),
]);
export type RopeScaling = z.infer<typeof RopeScaling>;

/**
 * Ministral 3: the queries of position p are multiplied by 1 + beta ln(1 + floor(p / originalContext)) once they are
 * rotated, so that attention stays sharp in long contexts.
 */
export const QueryScale = z.strictObject({
  beta: z.number().nonnegative(),
  originalContext: z.int().positive(),
});
export type QueryScale = z.infer<typeof QueryScale>;

/** The factors of the first `positions` positions. */
export function queryScales({ beta, originalContext }: QueryScale, positions: number): Float32Array {
  return Float32Array.from(
    { length: positions },
    (_, position) => 1 + beta * Math.log1p(Math.floor(position / originalContext)),
  );
}

export type RopeParameters = ({ type: "default" } | RopeScaling) & { theta: number };

export interface Rope {
  /** headDim / 2 of them, in radians a position. */
  frequencies: Float64Array;
  /** Multiplies cosines and sines. */
  magnitude: number;
}

/** What a model's configuration makes of it. */
export function ropeOf(config: {
  headDim: number;
  ropeTheta: number;
  ropeScaling: RopeScaling | null;
}): Rope {
  return rope({ ...(config.ropeScaling ?? { type: "default" }), theta: config.ropeTheta }, config.headDim);
}

/** @param headDim even */
export function rope(parameters: RopeParameters, headDim: number): Rope {
  const plain = Float64Array.from(
    { length: headDim / 2 },
    (_, i) => 1 / parameters.theta ** ((2 * i) / headDim),
  );
  switch (parameters.type) {
    case "default":
      return { frequencies: plain, magnitude: 1 };
    case "linear":
      return { frequencies: plain.map((frequency) => frequency / parameters.factor), magnitude: 1 };
    case "llama3":
      return { frequencies: plain.map((frequency) => llama3(frequency, parameters)), magnitude: 1 };
    case "yarn":
      return yarn(plain, parameters, headDim);
  }
}

/** As the op `ropeTable` takes them, (2, headDim / 2): the float32 value of each, and what the rounding lost. */
export function splitFrequencies({ frequencies }: Rope): Float32Array {
  const rounded = Float32Array.from(frequencies);
  return Float32Array.from([...rounded, ...frequencies.map((exact, i) => exact - (rounded[i] as number))]);
}

function llama3(frequency: number, parameters: Extract<RopeParameters, { type: "llama3" }>): number {
  const { factor, lowFreqFactor, highFreqFactor, originalContext } = parameters;
  const rotations = (originalContext * frequency) / (2 * Math.PI);
  if (rotations > highFreqFactor) return frequency;
  if (rotations < lowFreqFactor) return frequency / factor;
  const kept = (rotations - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - kept) * frequency) / factor + kept * frequency;
}

function yarn(
  plain: Float64Array,
  parameters: Extract<RopeParameters, { type: "yarn" }>,
  headDim: number,
): Rope {
  const { theta, factor, originalContext, betaFast = 32, betaSlow = 1, truncate = true } = parameters;
  // The dimension whose wavelength makes so many rotations within the original context.
  const dimensionOf = (rotations: number): number =>
    (headDim * Math.log(originalContext / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const low = dimensionOf(betaFast);
  const high = dimensionOf(betaSlow);
  const first = Math.max(truncate ? Math.floor(low) : low, 0);
  const last = Math.min(truncate ? Math.ceil(high) : high, headDim - 1);
  const width = first === last ? 0.001 : last - first;
  const frequencies = plain.map((frequency, i) => {
    const stretched = Math.min(Math.max((i - first) / width, 0), 1);
    return (frequency / factor) * stretched + frequency * (1 - stretched);
  });
  return { frequencies, magnitude: parameters.attentionFactor ?? yarnMagnitude(parameters) };
}

function yarnMagnitude({ factor, mscale, mscaleAllDim }: Extract<RopeParameters, { type: "yarn" }>): number {
  const of = (scale: number): number => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  // As in transformers, 0 counts as not given.
  return mscale && mscaleAllDim ? of(mscale) / of(mscaleAllDim) : of(1);
}
