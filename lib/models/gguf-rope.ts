/** Where a GGUF says how positions are rotated: keys of the architecture, or a tensor of divisors for Llama 3. */
import { IBertError } from "../errors.js";
import { readRangeSync } from "../formats/file.js";
import type { Gguf } from "../formats/gguf.js";
import type { GgufMetadata } from "../formats/gguf-metadata.js";
import { rope, type RopeScaling } from "./rope.js";
import { shortestDecimal } from "./shortest-decimal.js";

interface Shape {
  headDim: number;
  /** Positions that the file declares. */
  contextLength: number;
}

/**
 * RoPE's base and scaling.
 * @throws IBertError `model-config-invalid` where they are of a kind that is not followed
 */
export function ggufRope(
  metadata: GgufMetadata,
  architecture: string,
  { headDim, contextLength }: Shape,
): { theta: number; scaling: RopeScaling | null } {
  const { gguf } = metadata;
  const key = (name: string): string => `${architecture}.rope.${name}`;
  const decimal = (name: string): number | undefined => {
    const value = metadata.number(key(name));
    return value === undefined ? undefined : shortestDecimal(value);
  };
  const theta = decimal("freq_base") ?? 10_000;
  const declared = metadata.string(key("scaling.type")) ?? "none";
  const factor = decimal("scaling.factor") ?? 1;
  const originalContext = metadata.number(key("scaling.original_context_length"));
  const divided = llama3Of(gguf, theta, headDim, originalContext);
  const refuse = (what: string): IBertError =>
    new IBertError("model-config-invalid", `${gguf.path}: RoPE scaling (${what}) is not supported`, {
      hint: "The model would load and answer wrongly: ibert follows linear, llama3 and yarn.",
    });
  if (declared === "none" || (declared === "linear" && factor === 1)) return { theta, scaling: divided };
  if (divided !== null) throw refuse(`${declared} and rope_freqs.weight at once`);
  if (!(factor > 0)) throw refuse(`${declared} by ${factor}`);
  if (declared === "linear") return { theta, scaling: { type: "linear", factor } };
  if (declared !== "yarn") throw refuse(declared);
  const betaFast = decimal("scaling.yarn_beta_fast");
  const betaSlow = decimal("scaling.yarn_beta_slow");
  const scaling: RopeScaling = {
    type: "yarn",
    factor,
    originalContext: originalContext ?? contextLength,
    ...(betaFast === undefined ? {} : { betaFast }),
    ...(betaSlow === undefined ? {} : { betaSlow }),
  };
  return { theta, scaling };
}

/**
 * Llama 3's scaling from `rope_freqs.weight`, by whose values llama.cpp divides the frequencies. Its converter makes them
 * from llama3's parameters, of which only the factor differs between models; they are found by making them again.
 */
function llama3Of(gguf: Gguf, theta: number, headDim: number, originalContext = 8192): RopeScaling | null {
  const tensor = gguf.tensors.get("rope_freqs.weight");
  if (tensor === undefined) return null;
  const refuse = (why: string): IBertError =>
    new IBertError(
      "model-config-invalid",
      `${gguf.path}: RoPE scaling (rope_freqs.weight ${why}) is not supported`,
      {
        hint: "Divisors are followed that are all 1, or those of Llama 3.1 and later.",
      },
    );
  if (tensor.dtype !== "F32") throw refuse(`of ${tensor.dtype}`);
  if (tensor.shape.length !== 1) throw refuse(`of ${tensor.shape.length} dimensions`);
  const bytes = readRangeSync(tensor);
  const divisors = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
  if (divisors.every((divisor) => divisor === 1)) return null;
  if (divisors.length !== headDim / 2) throw refuse(`of ${divisors.length} values for heads of ${headDim}`);
  const factor = shortestDecimal(divisors.at(-1) as number);
  if (!(factor > 0)) throw refuse(`with ${factor}`);
  const scaling: RopeScaling = {
    type: "llama3",
    factor,
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalContext,
  };
  const plain = rope({ type: "default", theta }, headDim).frequencies;
  const own = rope({ ...scaling, theta }, headDim).frequencies;
  divisors.forEach((divisor, i) => {
    const expected = (plain[i] as number) / (own[i] as number);
    if (!(Math.abs(divisor - expected) <= 1e-5 * expected)) {
      throw refuse(
        `holds ${divisor} at ${i}, where Llama 3's scaling by ${factor} makes ${expected.toPrecision(7)}`,
      );
    }
  });
  return scaling;
}
