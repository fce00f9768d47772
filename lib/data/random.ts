/**
 * A small seeded random generator whose whole state is four integers, so that a data cursor can be saved and resumed
 * exactly. xoshiro128** 1.1 (Blackman and Vigna, 2018), seeded by SplitMix32.
 */
export type RandomState = readonly [number, number, number, number];

const rotateLeft = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

/** 32-bit FNV-1a of a text's UTF-16 units: for naming streams and for splits, not for security. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  // FNV's low bits mix poorly for short texts; the finaliser of MurmurHash3 spreads them.
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** 53 bits of a text, as a whole number: for finding equal texts, which then are compared. */
export function hash53(text: string): number {
  return hash32(text) * 2 ** 21 + (hash32(`\u0000${text}`) >>> 11);
}

export class Random {
  private s: [number, number, number, number];

  private constructor(state: RandomState) {
    this.s = [...state];
  }

  /** The stream of `seed` with that name; streams of different names are independent. */
  static of(seed: number, ...names: (string | number)[]): Random {
    let z = (seed ^ hash32(names.join("/"))) >>> 0;
    const next = (): number => {
      z = (z + 0x9e3779b9) >>> 0;
      let t = z ^ (z >>> 16);
      t = Math.imul(t, 0x21f0aaad);
      t ^= t >>> 15;
      t = Math.imul(t, 0x735a2d97);
      return (t ^ (t >>> 15)) >>> 0;
    };
    return new Random([next(), next(), next(), next() | 1]);
  }

  static fromState(state: RandomState): Random {
    return new Random(state);
  }

  state(): RandomState {
    return [...this.s];
  }

  /** Uniform over 0 … 2³² − 1. */
  nextU32(): number {
    const s = this.s;
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotateLeft(s[3], 11);
    for (let i = 0; i < 4; i++) s[i] = (s[i] as number) >>> 0;
    return result;
  }

  /** Uniform over [0, 1). */
  float(): number {
    return this.nextU32() / 4294967296;
  }

  /** Uniform over 0 … n − 1. */
  below(n: number): number {
    return Math.floor(this.float() * n);
  }

  /** Uniform over low … high, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("Random.pick: nothing to pick from");
    return items[this.below(items.length)] as T;
  }

  /** One of the values, each with probability in proportion to its weight (≥ 0, not all 0). */
  weighted<T>(choices: readonly (readonly [weight: number, value: T])[]): T {
    const total = choices.reduce((sum, [weight]) => sum + weight, 0);
    let at = this.float() * total;
    for (const [weight, value] of choices) {
      at -= weight;
      if (at < 0) return value;
    }
    const last = choices.findLast(([weight]) => weight > 0);
    if (last === undefined) throw new RangeError("Random.weighted: all weights are 0");
    return last[1];
  }

  /** A shuffled copy (Fisher–Yates). */
  shuffled<T>(items: readonly T[]): T[] {
    return this.shuffle([...items]);
  }

  /** The numbers 0 … n − 1, shuffled. */
  permutation(n: number): Uint32Array {
    return this.shuffle(Uint32Array.from({ length: n }, (_, i) => i));
  }

  private shuffle<List extends { length: number; [index: number]: unknown }>(list: List): List {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [list[i], list[j]] = [list[j], list[i]];
    }
    return list;
  }

  /** `count` different items, in their original order. */
  sample<T>(items: readonly T[], count: number): T[] {
    const chosen = new Set(this.shuffled(items.map((_, i) => i)).slice(0, count));
    return items.filter((_, i) => chosen.has(i));
  }
}
