/** Execution accuracy by what rows are like. */
import type { Row } from "../data/tasks.js";
import { interval, passAtK, type Interval } from "./bootstrap.js";
import type { RowScore } from "./metrics.js";

export const FACETS = ["feature", "dialect", "length", "split", "kind"] as const;
export type Facet = (typeof FACETS)[number];

/** What a row is like; it may have several features. */
export type Facets = Record<Facet, string[]>;

const FEATURES: readonly (readonly [name: string, sign: RegExp])[] = [
  ["join", /\bJOIN\b/i],
  ["group", /\bGROUP BY\b/i],
  ["order", /\bORDER BY\b/i],
  ["limit", /\bLIMIT\b/i],
  ["distinct", /\bDISTINCT\b/i],
  ["window", /\bOVER\s*\(/i],
  ["set operation", /\b(UNION|INTERSECT|EXCEPT)\b/i],
  ["filter", /\b(WHERE|HAVING)\b/i],
];

/** Characters of a completion from which it counts as long, and below which as short. */
const [SHORT, LONG] = [60, 140];

/** `sql` is the query of the row's own completion. */
export function facetsOf({ fields, completion, split, kind }: Row, sql: string): Facets {
  // What is in quotes is data or a name.
  const bare = sql.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"/g, "x");
  const features = FEATURES.flatMap(([name, sign]) => (sign.test(bare) ? [name] : []));
  const length = completion.length;
  return {
    feature: features.length === 0 ? ["plain"] : features,
    dialect: [fields.dialect ?? "duckdb"],
    length: [
      length < SHORT ? `below ${SHORT}` : length < LONG ? `${SHORT} to ${LONG - 1}` : `${LONG} and more`,
    ],
    split: [split],
    kind: kind === undefined ? [] : [kind],
  };
}

export interface Share {
  name: string;
  rows: number;
  accuracy: number;
  interval: Interval;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** The accuracy of each kind of row, the most frequent first. */
export function breakDown(scores: readonly RowScore[], facet: Facet): Share[] {
  const groups = new Map<string, number[]>();
  for (const { execution } of scores) {
    for (const name of execution?.facets[facet] ?? []) {
      groups.set(name, [...(groups.get(name) ?? []), execution?.equal === true ? 1 : 0]);
    }
  }
  return [...groups]
    .map(([name, equal]) => ({ name, rows: equal.length, accuracy: mean(equal), interval: interval(equal) }))
    .sort((a, b) => b.rows - a.rows || (a.name < b.name ? -1 : 1));
}

export interface PassRate {
  k: number;
  rate: number;
  interval: Interval;
}

/** pass@k over rows that were answered several times, for k = 1, 2, 5, 10 … as far as there are answers. */
export function passRates(scores: readonly RowScore[], samples: number): PassRate[] {
  const right = new Map<string, number>();
  for (const { id, execution } of scores) {
    if (execution !== undefined) right.set(id, (right.get(id) ?? 0) + (execution.equal ? 1 : 0));
  }
  const counts = [...right.values()];
  return [1, 2, 5, 10, 20, 50, 100].flatMap((k) => {
    if (k > samples || counts.length === 0) return [];
    const rates = counts.map((count) => passAtK(samples, count, k));
    return [{ k, rate: mean(rates), interval: interval(rates) }];
  });
}
