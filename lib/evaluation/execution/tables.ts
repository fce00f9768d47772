/**
 * Small tables that tell a query from its neighbours: values at, just below and just above the constants that its columns
 * meet, NULLs, duplicates, ties, keys without a match, groups of the sizes that counts are compared with, and more rows
 * than a limit lets through.
 */
import type { Random } from "../../data/random.js";
import type { FilledTable } from "../../dsl/duckdb/executor.js";
import type { Neighbourhood, QueryConstant } from "../../dsl/dsl.js";
import { nestedPool, type Pool } from "./nested-pools.js";

/** Of one table: what runs of large sizes may add up to. */
const MOST_ROWS = 3000;
/** Rows that the joins of so many tables may give, and values that a key has about: more cost time and tell no more. */
const MANY = { tables: 4, joined: 2000, keys: 9 };
const DAY = 86_400_000;
const NUMBER = /^-?\d+(\.\d+)?$/;
const ISO_DATE = /^\d{4}-\d\d-\d\d/;

const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
const unique = (values: readonly string[]): string[] => [...new Set(values)];
const date = (time: number): string => new Date(time).toISOString().slice(0, 10);
const moment = (time: number): string => new Date(time).toISOString().slice(0, 19).replace("T", " ");
const numbersOf = (constants: readonly QueryConstant[]): number[] =>
  constants.flatMap(([kind, value]) =>
    kind === "number" && Number.isFinite(Number(value)) ? [Number(value)] : [],
  );
const textsOf = (constants: readonly QueryConstant[]): string[] =>
  constants.flatMap(([kind, value]) => (kind === "text" ? [value] : []));

const LARGEST: Readonly<Record<string, number>> = { TINYINT: 127, SMALLINT: 32_767, INTEGER: 2 ** 31 - 1 };

function integerPool(type: string, own: readonly QueryConstant[], loose: readonly QueryConstant[]): Pool {
  const unsigned = type.startsWith("U");
  const largest = LARGEST[type.replace(/^U/, "")] ?? Number.MAX_SAFE_INTEGER;
  const fit = (values: readonly number[]): string[] =>
    unique(values.filter((v) => Math.abs(v) <= largest && (v >= 0 || !unsigned)).map((v) => String(v)));
  const exact = numbersOf(own);
  return {
    exact: fit(exact.filter(Number.isInteger)),
    near: fit(
      exact.flatMap((c) => [
        Math.floor(c) - 1,
        Math.floor(c),
        Math.ceil(c),
        Math.ceil(c) + 1,
        Math.floor(c) - 5,
      ]),
    ),
    common: fit([0, 1, 2, 3, 5, 8, 13, -1, -4, ...numbersOf(loose).map(Math.round)]),
    fresh: (index) => String(largest < 1000 ? index % 100 : 1000 + index),
  };
}

function realPool(type: string, own: readonly QueryConstant[], loose: readonly QueryConstant[]): Pool {
  const scale = /^DECIMAL\((\d+), *(\d+)\)/.exec(type);
  const largest = scale === null ? Number.MAX_VALUE : 10 ** (Number(scale[1]) - Number(scale[2])) - 1;
  const fit = (values: readonly number[]): string[] =>
    unique(values.filter((v) => Math.abs(v) <= largest).map((v) => String(v)));
  const exact = numbersOf(own);
  return {
    exact: fit(exact),
    near: fit(exact.flatMap((c) => [c - 1, c + 1, c - 0.25, c + 0.25])),
    common: fit([0, 1, 2.5, 3.75, 7.125, 12, -1.5, -6, ...numbersOf(loose)]),
    fresh: (index) => String(Math.min(largest, 1000 + index * 1.5)),
  };
}

function textPool(own: readonly QueryConstant[], loose: readonly QueryConstant[]): Pool {
  const swap = (s: string): string => (s === s.toUpperCase() ? s.toLowerCase() : s.toUpperCase());
  const exact = textsOf(own);
  const pieces = exact.map((pattern) => pattern.replaceAll("%", "").replaceAll("_", "m"));
  const lengths = numbersOf(loose).filter((n) => Number.isInteger(n) && n >= 0 && n <= 20);
  return {
    exact: unique([...exact, ...pieces]).map(text),
    near: unique(
      pieces.flatMap((p) => [`${p}x`, `q${p}`, `q${p}x`, swap(p), p.slice(0, -1), `${p}${p}`]),
    ).map(text),
    common: unique([
      ...["a", "b", "B", "ab", "Abc", "", "kiwi", "Kiwi", "plum pie", "é", "12", "-7"],
      ...textsOf(loose),
      ...lengths.flatMap((n) =>
        [n - 1, n, n + 1].map((length) => "abcdefghijklmnopqrstuvw".slice(0, Math.max(0, length))),
      ),
    ]).map(text),
    fresh: (index) => text(`v${index}`),
  };
}

function timePool(isDate: boolean, own: readonly QueryConstant[], loose: readonly QueryConstant[]): Pool {
  const write = (times: readonly number[]): string[] =>
    unique(times.filter(Number.isFinite).map((time) => text(isDate ? date(time) : moment(time))));
  const parse = (value: string): number =>
    ISO_DATE.test(value)
      ? Date.parse(value.length === 10 ? value : `${value.slice(0, 19).replace(" ", "T")}Z`)
      : NaN;
  const exact = textsOf(own).map(parse);
  const years = numbersOf(loose).filter((n) => n >= 1900 && n <= 2100);
  const days = [
    "2019-12-31",
    "2020-01-01",
    "2020-02-29",
    "2021-06-15",
    "2021-07-01",
    "2023-11-05",
    "2024-12-30",
  ];
  const steps = isDate ? [-DAY, DAY] : [-1000, 1000, -DAY, DAY, DAY / 2];
  return {
    exact: write(exact),
    near: write([
      ...exact.flatMap((time) => steps.map((step) => time + step)),
      ...years.flatMap((year) => [`${year}-01-01`, `${year}-12-31`, `${year - 1}-12-31`].map(parse)),
    ]),
    common: write(days.map((day, i) => Date.parse(day) + (isDate ? 0 : i * 5_025_000))),
    fresh: (index) => write([Date.UTC(2030, 0, 1) + index * (isDate ? DAY : DAY + 61_000)])[0] ?? "NULL",
  };
}

function poolOf(type: string, own: readonly QueryConstant[], loose: readonly QueryConstant[]): Pool {
  const nested = nestedPool(type, own, loose, poolOf);
  if (nested !== undefined) return nested;
  if (/^U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/.test(type)) return integerPool(type, own, loose);
  if (/^(DOUBLE|FLOAT|REAL|DECIMAL\b.*)$/.test(type)) return realPool(type, own, loose);
  if (/^(TEXT|VARCHAR)$/.test(type)) return textPool(own, loose);
  if (type === "DATE" || type.startsWith("TIMESTAMP")) return timePool(type === "DATE", own, loose);
  const all = type === "BOOLEAN" ? ["true", "false"] : ["NULL"];
  return { exact: [], near: [], common: all, fresh: (index) => all[index % all.length] ?? "NULL" };
}

/** The shape of one set of tables. */
export interface Profile {
  /** Rows of each table. */
  rows: number;
  nulls: number;
  /** How often a value is one of the constants that its column meets, or beside one. */
  exact: number;
  near: number;
  /** How often a value is one that no other row has. */
  fresh: number;
  /** How often a row is an earlier one again, with at most one value changed. */
  again: number;
  /** Runs of rows that agree in some columns, of just about the sizes that counts are compared with. */
  runs?: boolean;
  /** Those runs are groups: none varies in what rows are grouped by, some tie, lack a key or reach a constant together. */
  groups?: boolean;
}

/** Draws sets of tables for one query. */
export class TableMaker {
  private readonly pools: Pool[][];
  /** Rows of a table without runs, at most. */
  private readonly most: number;

  constructor(private readonly query: Neighbourhood) {
    const { constants, links, loose } = query;
    const count = query.tables.length;
    // Each join multiplies the rows by those that share a key.
    const most = (MANY.joined * MANY.keys ** (count - 1)) ** (1 / count);
    this.most = count >= MANY.tables ? Math.round(most) : MOST_ROWS;
    const nameOf = (path: readonly string[]): string => path[path.length - 1] ?? "";
    const met = (table: string, column: string): QueryConstant[] =>
      constants.flatMap(([t, c, ...constant]) => (t === table && c === column ? [constant] : []));
    this.pools = query.tables.map(({ path, columns }) =>
      columns.map(([column, type]) => {
        const linked = links.flatMap(([t, c, otherTable, otherColumn]) =>
          t === nameOf(path) && c === column
            ? met(otherTable, otherColumn)
            : otherTable === nameOf(path) && otherColumn === column
              ? met(t, c)
              : [],
        );
        return poolOf(type, [...met(nameOf(path), column), ...linked], loose);
      }),
    );
  }

  make(random: Random, profile: Profile): FilledTable[] {
    const { tables } = this.query;
    // Runs in each of many tables would be multiplied by each other.
    const one = profile.runs === true && tables.length >= MANY.tables ? random.below(tables.length) : -1;
    return tables.map(({ path, columns }, table) => {
      const pools = this.pools[table] ?? [];
      const hasRuns = profile.runs === true && (one < 0 || one === table);
      const rows = hasRuns ? this.runs(random, profile, table) : this.singles(random, profile, pools);
      return { path, columns, rows: random.shuffled(rows) };
    });
  }

  private singles(random: Random, profile: Profile, pools: readonly Pool[]): string[][] {
    const rows: string[][] = [];
    while (rows.length < Math.min(profile.rows, this.most)) {
      const earlier = rows.length > 0 && random.chance(profile.again) ? random.pick(rows) : undefined;
      if (earlier === undefined) {
        rows.push(pools.map((pool) => value(random, profile, pool, rows.length)));
        continue;
      }
      const changed = random.chance(0.7) ? random.below(pools.length) : -1;
      rows.push(
        earlier.map((old, i) =>
          i === changed ? value(random, profile, pools[i] as Pool, rows.length) : old,
        ),
      );
    }
    return rows;
  }

  private runs(random: Random, profile: Profile, table: number): string[][] {
    const pools = this.pools[table] ?? [];
    const { path = [], columns = [] } = this.query.tables[table] ?? {};
    const places = columns.map((_, i) => i);
    const isKey = columns.map(
      ([name]) =>
        profile.groups === true &&
        this.query.groups.some(([t, c]) => t === path[path.length - 1] && c === name),
    );
    const mentioned = places.filter((i) => this.query.sql.includes(columns[i]?.[0] ?? ""));
    const used = mentioned.length > 0 ? mentioned : places;
    const keys = places.filter((i) => isKey[i] === true);
    const rows: string[][] = [];
    const sizes = this.query.sizes.flatMap((size) => [size - 1, size, size + 1]).filter((size) => size > 0);
    // Where counts alone decide which groups stay, several must, or their order could not be told.
    const small = sizes.filter((size) => size <= 100);
    const wanted = [1, 2, 3, ...sizes, ...small, ...small, ...(keys.length > 0 ? [2, 2, 3, 3] : [])];
    for (const size of wanted) {
      if (rows.length + size > MOST_ROWS) continue;
      const base = pools.map((pool) =>
        value(random, { ...profile, nulls: 0.04, exact: 0.5, near: 0.45, fresh: 0.6 }, pool, rows.length),
      );
      const varies = pools.map(
        (pool, i) => isKey[i] !== true && random.chance(pool.exact.length > 0 ? 0.15 : 0.5),
      );
      // A group without a key sorts by itself, and one without values has no sum.
      if (keys.length > 0 && random.chance(0.3)) {
        const blank = random.pick(random.chance(0.5) ? keys : used);
        base[blank] = "NULL";
        varies[blank] = false;
      }
      const first = rows.length;
      for (let i = 0; i < size; i++) {
        rows.push(
          base.map((old, column) =>
            varies[column] === true ? (pools[column] as Pool).fresh(first + i) : old,
          ),
        );
      }
      const run = rows.slice(first);
      if (keys.length > 0 && random.chance(0.5)) this.reach(random, run, table, used);
      // One NULL in a run tells the number of rows from that of values.
      const odd = random.pick(run);
      if (used.length > 0 && random.chance(0.5)) odd[random.pick(used)] = "NULL";
      if (keys.length > 0 && random.chance(0.3)) rows.push(...this.twin(random, run, table, keys));
    }
    return rows;
  }

  /** Lets the values of one column come to a constant as a sum or as a mean, and not one by one. */
  private reach(random: Random, run: string[][], table: number, used: readonly number[]): void {
    const pools = this.pools[table] ?? [];
    const able = used.filter((i) => pools[i]?.exact.some((one) => NUMBER.test(one)) === true);
    if (able.length === 0 || run.length < 2) return;
    const column = random.pick(able);
    const constant = Number(random.pick((pools[column] as Pool).exact.filter((one) => NUMBER.test(one))));
    const step = random.pick([1, 2, 3, 5]);
    const isSum = random.chance(0.5);
    const last = isSum ? constant - step * (run.length - 1) : constant - step;
    if (last < 0 !== constant < 0) return;
    const rest = (i: number): number => (isSum ? step : i === 1 ? constant + step : constant);
    for (const [i, row] of run.entries()) row[column] = String(i === 0 ? last : rest(i));
  }

  /** The rows of a run as another group's: it ties with the first in all but its key. */
  private twin(random: Random, run: readonly string[][], table: number, keys: readonly number[]): string[][] {
    const key = random.pick(keys);
    const pool = this.pools[table]?.[key] as Pool;
    const other = random.chance(0.5) ? "NULL" : random.pick([...pool.common, pool.fresh(run.length)]);
    return run.map((row) => row.map((old, i) => (i === key ? other : old)));
  }
}

function value(random: Random, profile: Profile, pool: Pool, index: number): string {
  if (random.chance(profile.nulls)) return "NULL";
  const drawn = random.float();
  if (pool.exact.length > 0 && drawn < profile.exact) return random.pick(pool.exact);
  if (pool.near.length > 0 && drawn < profile.exact + profile.near) return random.pick(pool.near);
  return random.chance(profile.fresh) ? pool.fresh(index) : random.pick(pool.common);
}
