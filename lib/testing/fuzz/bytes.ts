/** Little-endian numbers that a file may claim, and bytes that are damaged as a whole. */
import type { Random } from "../../data/random.js";

const EDGES = [
  0n, 1n, 2n, 3n, 7n, 31n, 32n, 255n, 256n, 65_536n, (1n << 20n) - 1n, 1n << 24n, (1n << 31n) - 1n, 1n << 31n,
  (1n << 32n) - 1n, 1n << 32n, (1n << 32n) + 1n, 1n << 40n, (1n << 53n) - 1n, 1n << 53n, (1n << 53n) + 1n,
  (1n << 61n) - 1n, 1n << 62n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 32n, (1n << 64n) - 1n,
]; // prettier-ignore

/** A count, length or offset: near the true one, or at an edge of some type. */
export function claimed(value: number | bigint, random: Random): bigint {
  if (random.below(3) === 0) {
    const near = BigInt(value) + BigInt(random.below(65) - 32);
    return near < 0n ? 0n : near;
  }
  return EDGES[random.below(EDGES.length)] as bigint;
}

/** The file cut, lengthened, or with a byte changed. */
export function damageBytes(bytes: Buffer, random: Random): Buffer {
  if (bytes.length === 0) return bytes;
  switch (random.below(6)) {
    case 0:
      return bytes.subarray(0, random.below(bytes.length));
    case 1:
      return Buffer.concat([bytes, Buffer.alloc(1 + random.below(64), random.below(256))]);
    default: {
      const changed = Buffer.from(bytes);
      for (let i = 1 + random.below(3); i > 0; i--) changed[random.below(changed.length)] = random.below(256);
      return changed;
    }
  }
}
