/** RoPE's frequencies as old exports store them: they follow from the configuration, and must agree with it. */
import { dequantize } from "../formats/dequantize.js";
import { halfToFloat } from "../formats/half.js";
import type { DType } from "../formats/dtypes.js";
import { formatShape } from "../formats/dtypes.js";
import { readRangeSync, type ByteRange } from "../formats/file.js";
import type { ModelConfig } from "./config.js";
import { ropeOf } from "./rope.js";

/** How far a stored frequency may lie from the computed one: a part of it, and half a step of the type's subnormals. */
const TOLERANCES: Partial<Record<DType, { relative: number; absolute: number }>> = {
  F64: { relative: 1e-3, absolute: 0 },
  F32: { relative: 1e-3, absolute: 0 },
  F16: { relative: 1e-3, absolute: halfToFloat(1) / 2 },
  BF16: { relative: 2 ** -8, absolute: 0 },
};

interface StoredFrequencies extends ByteRange {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** How stored frequencies differ from those of the configuration, in words; undefined where they do not. */
export function frequencyFault(
  { dtype, shape, ...range }: StoredFrequencies,
  config: Pick<ModelConfig, "headDim" | "ropeTheta" | "ropeScaling">,
): string | undefined {
  const { headDim, ropeTheta } = config;
  const tolerance = TOLERANCES[dtype];
  if (tolerance === undefined) return `is ${dtype}, which is no type for frequencies`;
  if (shape.length !== 1 || shape[0] !== headDim / 2) {
    return `has the shape ${formatShape(shape)}; heads of ${headDim} have ${headDim / 2} frequencies`;
  }
  const bytes = readRangeSync(range);
  const stored =
    dtype === "F64"
      ? Array.from({ length: headDim / 2 }, (_, i) => bytes.readDoubleLE(8 * i))
      : Array.from(dequantize(dtype, bytes));
  const { frequencies } = ropeOf(config);
  for (const [i, value] of stored.entries()) {
    const computed = frequencies[i] as number;
    if (Math.abs(value - computed) <= tolerance.relative * computed + tolerance.absolute) continue;
    return `holds ${value} at ${i}, where rope_theta ${ropeTheta} makes ${Number(computed.toPrecision(7))}`;
  }
  return undefined;
}
