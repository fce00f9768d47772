/** Constants that a person would compare a column with: inside its range, one of its values, a plausible day. */
import type { Random } from "../../../data/random.js";
import type { Range } from "./domains/parse.js";
import type { Column } from "./schemas.js";

/** Short pieces for prefix, suffix and pattern arguments. */
export const PIECES: readonly string[] = ["a", "an", "b", "co", "e", "in", "m", "pre", "s", "st", "un", "x"];

const MONTHS = 12;
const DAYS = 28;

export function randomDate(random: Random): string {
  const pad = (n: number): string => String(n).padStart(2, "0");
  return `${random.between(2015, 2025)}-${pad(random.between(1, MONTHS))}-${pad(random.between(1, DAYS))}`;
}

/** `value` as people round it: two digits that count, but never out of the range. */
function rounded(value: number, [low, high]: Range, whole: boolean): number {
  const size = Math.max(Math.abs(value), (high - low) / 100, whole ? 1 : 1e-6);
  const unit = 10 ** (Math.floor(Math.log10(size)) - 1);
  const step = whole ? Math.max(1, unit) : unit;
  const near = Number((Math.round(value / step) * step).toPrecision(6));
  if (near > low && near < high) return near;
  return whole ? Math.round(value) : Number(value.toPrecision(3));
}

/** The range of a number whose column or expression names none. */
export const DEFAULT_RANGE: Readonly<Record<"int" | "real", Range>> = { int: [1, 500], real: [1, 200] };

export function rangeOf(column: Pick<Column, "kind" | "range" | "role">): Range {
  if (column.role === "key" || column.role === "foreign") return [1, 9000];
  return column.range ?? DEFAULT_RANGE[column.kind === "int" ? "int" : "real"];
}

/** Times of day that people name. */
export const TIMES: readonly string[] = [
  "06:30:00",
  "09:00:00",
  "12:00:00",
  "15:30:00",
  "18:00:00",
  "22:15:00",
];

/** A number well inside the column's range, so that a comparison with it keeps some rows and drops some. */
export function numberIn(
  random: Random,
  column: Pick<Column, "kind" | "range" | "role">,
  from = 0.1,
  to = 0.9,
): number {
  const [low, high] = rangeOf(column);
  const whole = column.kind === "int";
  if (whole && high - low < 12) return random.between(Math.min(low + 1, high), Math.max(low, high - 1));
  // Most values of a wide range lie near its lower end.
  const share = from + (to - from) * random.float();
  const skewed = high - low > 1000 && low >= 0 ? share ** 2 : share;
  return rounded(low + (high - low) * skewed, [low, high], whole);
}

/** A literal that may be compared with a value of that kind. */
export function literalFor(
  random: Random,
  column: Pick<Column, "kind" | "values" | "range" | "role">,
): string | number | boolean {
  switch (column.kind) {
    case "int":
    case "float":
    case "decimal":
      return numberIn(random, column);
    case "str":
    case "strs":
      return random.pick(column.values);
    case "ints":
      return numberIn(random, { ...column, kind: "int" });
    case "time":
      return random.pick(TIMES);
    case "bool":
      return random.chance(0.5);
    default:
      return randomDate(random);
  }
}
