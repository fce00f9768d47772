/**
 * Large seeded tensors without storing them: a hash of (stream, element) with the same bits here and in
 * scripts/goldens/hash_init.py, whose docstring is the definition (streams, matrix numbers, projections).
 */

/** MurmurHash3's 32-bit finaliser. */
function fmix32(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The unsigned 32-bit hash of one element of one stream. */
export function hash32(stream: number, element: number): number {
  return fmix32(fmix32(stream + 1) ^ fmix32(element + 0x9e3779b9));
}

/** `count` float32 values, uniform in [-bound, bound), elements numbered row by row. */
export function hashUniform(stream: number, count: number, bound: number): Float32Array {
  const values = new Float32Array(count);
  for (let element = 0; element < count; element += 1) {
    // The store rounds to float32, once, as the Python twin does.
    values[element] = ((hash32(stream, element) >>> 8) * 2 ** -23 - 1) * bound;
  }
  return values;
}

/** The modules of a LoRA on the attention projections, in the order in which their matrices are numbered. */
export const HASH_LORA_MODULES = ["q_proj", "k_proj", "v_proj", "o_proj"] as const;

/** The number (and stream) of a LoRA matrix: layer by layer, q k v o, A before B. */
export function loraMatrixNumber(
  layer: number,
  module: (typeof HASH_LORA_MODULES)[number],
  part: "A" | "B",
): number {
  return (layer * 4 + HASH_LORA_MODULES.indexOf(module)) * 2 + (part === "A" ? 0 : 1);
}

const PROJECTION_STREAM = 0x10000;
const PROJECTION_WORDS = 4;

/**
 * The 128 sign projections of a gradient matrix: p[j] = sum over e of ±gradient[e], signs from the hash. For any
 * error d the mean of p(d)² estimates |d|² (relative standard deviation at most 12.5 %), so 128 stored numbers
 * give the NMSE of a whole matrix.
 */
export function signProjections(matrix: number, gradient: Float32Array | Float64Array): Float64Array {
  const result = new Float64Array(32 * PROJECTION_WORDS);
  for (let word = 0; word < PROJECTION_WORDS; word += 1) {
    const stream = PROJECTION_STREAM + PROJECTION_WORDS * matrix + word;
    for (let element = 0; element < gradient.length; element += 1) {
      const bits = hash32(stream, element);
      const value = gradient[element]!;
      for (let bit = 0; bit < 32; bit += 1) {
        result[32 * word + bit]! += ((bits >>> bit) & 1) === 1 ? value : -value;
      }
    }
  }
  return result;
}
