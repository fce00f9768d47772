/** 1e-5 for the float32 9.999999747378752e-6: the shortest decimal that rounds to the same float32. */
export function shortestDecimal(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(value)) return candidate;
  }
  return value;
}
