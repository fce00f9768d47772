/** IEEE half precision, as bit patterns. */

/** The float32 of a half-precision number. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const word = new Float32Array(1);
const wordBits = new Uint32Array(word.buffer);

/** The half-precision number nearest to a float32, ties to even. */
export function floatToHalf(value: number): number {
  word[0] = value;
  const bits = wordBits[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(word[0]);
  if (Number.isNaN(value)) return sign | 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  // Of the smallest exponent are the subnormal numbers too.
  const exponent = Math.max(((bits >>> 23) & 0xff) - 127, -14);
  const steps = magnitude / 2 ** (exponent - 10);
  const below = Math.floor(steps);
  const rest = steps - below;
  const rounded = below + (rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? 1 : 0);
  // A rounding up to the next power of two carries into the exponent.
  return sign | (((exponent + 14) << 10) + rounded);
}
