/** How sure a mean is, by the percentile bootstrap over rows; the same values give the same numbers. */
import { Random } from "../data/random.js";

const RESAMPLES = 2000;

export type Interval = [low: number, high: number];

function resampledMeans(values: readonly number[]): Float64Array {
  const random = Random.of(1, "bootstrap");
  const means = new Float64Array(RESAMPLES);
  for (let sample = 0; sample < RESAMPLES; sample++) {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[random.below(values.length)] as number;
    means[sample] = sum / values.length;
  }
  return means.sort();
}

const percentiles = (sorted: Float64Array): Interval => [
  sorted[Math.floor(0.025 * (RESAMPLES - 1))] as number,
  sorted[Math.ceil(0.975 * (RESAMPLES - 1))] as number,
];

/** 95 % of the mean; 0 … 0 of no values. */
export function interval(values: readonly number[]): Interval {
  return values.length === 0 ? [0, 0] : percentiles(resampledMeans(values));
}

export interface PairedDifference {
  rows: number;
  /** Mean of b − a. */
  difference: number;
  /** 95 % of it. */
  interval: Interval;
  /** Two-sided: how often chance alone gives a difference on the other side of 0. */
  p: number;
}

/** Two models on the same rows. */
export function pairedDifference(a: readonly number[], b: readonly number[]): PairedDifference {
  const differences = a.map((value, i) => (b[i] as number) - value);
  if (differences.length === 0) return { rows: 0, difference: 0, interval: [0, 0], p: 1 };
  const means = resampledMeans(differences);
  const below = means.filter((mean) => mean <= 0).length / RESAMPLES;
  const above = means.filter((mean) => mean >= 0).length / RESAMPLES;
  return {
    rows: differences.length,
    difference: differences.reduce((sum, value) => sum + value, 0) / differences.length,
    interval: percentiles(means),
    p: Math.min(1, 2 * Math.min(below, above)),
  };
}

/** The chance that one of k answers is right, where `right` of n were (Chen et al., 2021): unbiased, k ≤ n. */
export function passAtK(n: number, right: number, k: number): number {
  if (n - right < k) return 1;
  let none = 1;
  for (let i = n - right + 1; i <= n; i++) none *= 1 - k / i;
  return 1 - none;
}
