/** Similarity of two texts, in 0 … 1. */

const words = (text: string): string[] => text.toLowerCase().match(/\w+|[^\w\s]/g) ?? [];

function longestCommonSubsequence(a: readonly string[], b: readonly string[]): number {
  let row = new Int32Array(b.length + 1);
  for (const item of a) {
    const next = new Int32Array(b.length + 1);
    for (let j = 0; j < b.length; j++) {
      next[j + 1] =
        item === b[j] ? (row[j] as number) + 1 : Math.max(row[j + 1] as number, next[j] as number);
    }
    row = next;
  }
  return row[b.length] as number;
}

/** ROUGE-L F1 over words and punctuation marks, without case (Lin, 2004, with β = 1). */
export function rougeL(reference: string, candidate: string): number {
  const a = words(reference);
  const b = words(candidate);
  const common = longestCommonSubsequence(a, b);
  return common === 0 ? 0 : (2 * common) / (a.length + b.length);
}

function characterGrams(text: string, n: number): Map<string, number> {
  const grams = new Map<string, number>();
  for (let i = 0; i + n <= text.length; i++) {
    const gram = text.slice(i, i + n);
    grams.set(gram, (grams.get(gram) ?? 0) + 1);
  }
  return grams;
}

/**
 * chrF2 (Popović, 2015): character n-grams of 1 … 6 without white space, β = 2. Orders longer than one of the texts
 * are left out of the averages.
 */
export function chrF(reference: string, candidate: string): number {
  const a = reference.replace(/\s+/g, "");
  const b = candidate.replace(/\s+/g, "");
  let precision = 0;
  let recall = 0;
  let orders = 0;
  for (let n = 1; n <= 6 && n <= a.length && n <= b.length; n++) {
    const inReference = characterGrams(a, n);
    let common = 0;
    for (const [gram, count] of characterGrams(b, n)) common += Math.min(count, inReference.get(gram) ?? 0);
    precision += common / (b.length - n + 1);
    recall += common / (a.length - n + 1);
    orders++;
  }
  if (precision + recall === 0) return 0;
  precision /= orders;
  recall /= orders;
  return (5 * precision * recall) / (4 * precision + recall);
}
