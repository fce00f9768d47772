/**
 * Byte-pair encoding in tiktoken's form: a token is a byte string with a rank, and the adjacent pair whose joined bytes
 * have the lowest rank is merged first, the leftmost of equals.
 */

/** Bytes as a string of code units 0–255 (latin1), so that a Map can hold them. */
export type ByteString = string;

/** Room for a position below the rank in one exact number. */
const POSITIONS = 2 ** 30;

/** A binary min-heap of numbers. */
class MinHeap {
  readonly #values: number[] = [];

  push(value: number): void {
    const values = this.#values;
    let at = values.length;
    values.push(value);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((values[parent] as number) <= value) break;
      values[at] = values[parent] as number;
      at = parent;
    }
    values[at] = value;
  }

  pop(): number | undefined {
    const values = this.#values;
    const top = values[0];
    const last = values.pop();
    if (last === undefined || values.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= values.length) break;
      if (child + 1 < values.length && (values[child + 1] as number) < (values[child] as number)) child++;
      if ((values[child] as number) >= last) break;
      values[at] = values[child] as number;
      at = child;
    }
    values[at] = last;
    return top;
  }
}

/** Bytes of a piece in which looking at all pairs for each merge costs less than a heap. */
const SHORT = 48;

/** As `bytePairEncode`, in O(n²). */
function encodeShort(piece: ByteString, ranks: ReadonlyMap<ByteString, number>, longest: number): number[] {
  // Part i is piece[starts[i] .. starts[i + 1]), and pairs[i] the rank of it and its right neighbour together.
  const starts: number[] = [];
  for (let at = 0; at <= piece.length; at++) starts.push(at);
  const pairRank = (part: number): number => {
    const start = starts[part] as number;
    const end = starts[part + 2];
    if (end === undefined || end - start > longest) return Infinity;
    return ranks.get(piece.slice(start, end)) ?? Infinity;
  };
  const pairs: number[] = [];
  for (let part = 0; part + 1 < piece.length; part++) pairs.push(pairRank(part));
  for (;;) {
    let lowest = Infinity;
    let at = -1;
    for (let part = 0; part < pairs.length; part++) {
      const rank = pairs[part] as number;
      if (rank < lowest) [lowest, at] = [rank, part];
    }
    if (at < 0) break;
    starts.splice(at + 1, 1);
    pairs.splice(at, 1);
    if (at < pairs.length) pairs[at] = pairRank(at);
    if (at > 0) pairs[at - 1] = pairRank(at - 1);
  }
  const result: number[] = [];
  for (let part = 0; part + 1 < starts.length; part++)
    result.push(ranks.get(piece.slice(starts[part], starts[part + 1])) as number);
  return result;
}

/**
 * The ranks of a piece's tokens, in O(n log n) for n bytes.
 * @param ranks must hold every single byte that occurs.
 * @param longest bytes of the longest token, if known: no longer pair is looked up
 */
export function bytePairEncode(
  piece: ByteString,
  ranks: ReadonlyMap<ByteString, number>,
  longest = Infinity,
): number[] {
  const whole = ranks.get(piece);
  if (whole !== undefined) return [whole];
  if (piece.length <= SHORT) return encodeShort(piece, ranks, longest);
  // Part i is piece[i .. end[i]); a part that was merged into its left neighbour has end 0.
  const length = piece.length;
  const end = Uint32Array.from({ length }, (_, i) => i + 1);
  const previous = Int32Array.from({ length }, (_, i) => i - 1);
  const heap = new MinHeap();
  const pairRank = (start: number): number | undefined => {
    const middle = end[start] as number;
    if (middle >= length || (end[middle] as number) - start > longest) return undefined;
    return ranks.get(piece.slice(start, end[middle]));
  };
  const offer = (start: number): void => {
    const rank = pairRank(start);
    if (rank !== undefined) heap.push(rank * POSITIONS + start);
  };
  for (let start = 0; start + 1 < length; start++) offer(start);
  for (let key = heap.pop(); key !== undefined; key = heap.pop()) {
    const start = key % POSITIONS;
    // A pair that has changed since it was offered was offered again.
    if (end[start] === 0 || pairRank(start) !== (key - start) / POSITIONS) continue;
    const middle = end[start] as number;
    end[start] = end[middle] as number;
    end[middle] = 0;
    const next = end[start];
    if (next < length) previous[next] = start;
    offer(start);
    if ((previous[start] as number) >= 0) offer(previous[start] as number);
  }
  const result: number[] = [];
  for (let start = 0; start < length; start = end[start] as number) {
    result.push(ranks.get(piece.slice(start, end[start])) as number);
  }
  return result;
}
