/** Whether an answer's rows are those that a query asks for. */
import type { ResultRows, Value } from "../../dsl/duckdb/executor.js";

/** The rows that a query asks for: all of them, in the order that it gives them, and the window that its limit leaves. */
export interface ExpectedRows {
  columns: ResultRows["columns"];
  rows: Value[][];
  /** What the rows are sorted by; rows with equal keys may come in any order. */
  keys: Value[][];
  offset: number;
  limit: number | null;
}

const RELATIVE = 1e-9;
const ABSOLUTE = 1e-9;

type Kind = ResultRows["columns"][number]["kind"];

const isNumber = (kind: Kind): boolean => kind === "integer" || kind === "real";

/** Equal within the rounding of sums taken in another order. NULL equals NULL, and what is not a number itself. */
export function equalValues(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (typeof a !== "number" || typeof b !== "number") return false;
  return Math.abs(a - b) <= Math.max(ABSOLUTE, RELATIVE * Math.max(Math.abs(a), Math.abs(b)));
}

type Equal = (a: Value, b: Value) => boolean;

const identical: Equal = (a, b) => a === b;

/** Where rows of equal keys begin, and the end of all. */
function bounds(keys: readonly Value[][]): number[] {
  const starts: number[] = [];
  for (const [i, key] of keys.entries()) {
    const before = keys[i - 1];
    if (before?.every((value, k) => equalValues(value, key[k] ?? null)) !== true) starts.push(i);
  }
  return [...starts, keys.length];
}

/** For each expected column the number of the answer's. */
export type Alignment = readonly number[];

/** Columns that are tried in every order; of more, in their own alone. */
const MOST_FREE_COLUMNS = 6;

/**
 * What the answer's columns may be: those of the expected names where both have the same names, else those at their
 * places. Where the question does not say what columns are called or how they are ordered (`anyOrder`), those whose names
 * both have, and the others in any order. None where they differ in number or kind.
 */
export function alignments(expected: ExpectedRows, answer: ResultRows, anyOrder = false): Alignment[] {
  const count = expected.columns.length;
  if (answer.columns.length !== count) return [];
  const fits = (i: number, at: number): boolean => {
    const kind = expected.columns[i]?.kind as Kind;
    const other = answer.columns[at]?.kind as Kind;
    if (kind === other || (isNumber(kind) && isNumber(other))) return true;
    return expected.rows.every((row) => row[i] === null) && answer.rows.every((row) => row[at] === null);
  };
  const places = answer.columns.map((_, i) => i);
  const names = new Map(answer.columns.map(({ name }, i) => [name.toLowerCase(), i]));
  const named = expected.columns.map(({ name }) => names.get(name.toLowerCase()));
  const known = named.filter((at) => at !== undefined);
  const taken = new Set(known);
  const free = places.filter((at) => !taken.has(at));
  const candidates =
    taken.size === count
      ? [named as number[]]
      : anyOrder && taken.size === known.length && free.length <= MOST_FREE_COLUMNS
        ? arrangements(named, free, fits)
        : [places];
  return candidates.filter((columns) => columns.every((at, i) => fits(i, at)));
}

/** Every way to give the places without a column one of the free ones, their own order first. */
function arrangements(
  named: readonly (number | undefined)[],
  free: readonly number[],
  fits: (i: number, at: number) => boolean,
): number[][] {
  const i = named.indexOf(undefined);
  if (i < 0) return [named as number[]];
  return free
    .filter((at) => fits(i, at))
    .flatMap((at) =>
      arrangements(
        named.with(i, at),
        free.filter((one) => one !== at),
        fits,
      ),
    );
}

/** Whether every row of `some` has one of its own among `all`. */
function within(some: readonly Value[][], all: readonly Value[][], equal: readonly Equal[]): boolean {
  const keyOf = (row: readonly Value[]): string =>
    JSON.stringify(
      row.map((value, i) =>
        typeof value === "number" && equal[i] !== identical ? Number(value.toPrecision(6)) : value,
      ),
    );
  const same = (a: readonly Value[], b: readonly Value[]): boolean =>
    equal.every((test, i) => test(a[i] as Value, b[i] as Value));
  const unused = new Map<string, (readonly Value[])[]>();
  for (const row of all) {
    const key = keyOf(row);
    const alike = unused.get(key);
    if (alike === undefined) unused.set(key, [row]);
    else alike.push(row);
  }
  const take = (rows: (readonly Value[])[] | undefined, row: readonly Value[]): boolean => {
    const at = rows?.findIndex((one) => same(one, row)) ?? -1;
    if (at >= 0) rows?.splice(at, 1);
    return at >= 0;
  };
  // Values on both sides of a rounding step have other keys: those rows look among all that is left.
  const strays = some.filter((row) => !take(unused.get(keyOf(row)), row));
  const left = strays.length === 0 ? [] : [...unused.values()].flat();
  return strays.every((row) => take(left, row));
}

/**
 * Whether the answer's rows are the expected: as multisets, in the expected order where there is one, with ties in any,
 * and where a limit cuts through rows that tie or have no order, any of them.
 */
export function sameRows(
  expected: ExpectedRows,
  answer: ResultRows,
  among: readonly Alignment[] = alignments(expected, answer),
): boolean {
  return among.some((columns) => sameUnder(columns, expected, answer));
}

/** Whether the rows are the same where the answer's columns are these. */
export function sameUnder(columns: Alignment, expected: ExpectedRows, answer: ResultRows): boolean {
  const { rows, offset } = expected;
  const end = Math.min(rows.length, offset + (expected.limit ?? rows.length));
  if (answer.rows.length !== Math.max(0, end - offset)) return false;
  const equal = expected.columns.map(({ kind }, i): Equal => {
    const other = answer.columns[columns[i] as number]?.kind;
    return kind === "real" || other === "real" ? equalValues : identical;
  });
  const given = answer.rows.map((row) => columns.map((at) => row[at] as Value));
  const starts = bounds(expected.keys);
  return starts.slice(0, -1).every((start, i) => {
    const next = starts[i + 1] as number;
    const [from, to] = [Math.max(start, offset), Math.min(next, end)];
    return from >= to || within(given.slice(from - offset, to - offset), rows.slice(start, next), equal);
  });
}
