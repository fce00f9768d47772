/**
 * Databases distilled for one query (test suites, Zhong et al., 2020): few and small, and between them they give another
 * result for nearly every neighbour of the query than for the query itself.
 */
import { Random } from "../../data/random.js";
import type { DuckDbExecutor, FilledTable, QueryResult, ResultRows } from "../../dsl/duckdb/executor.js";
import type { DslEngine, Neighbourhood, Schema } from "../../dsl/dsl.js";
import { SandboxFailure } from "../../dsl/sandbox/sandbox-process.js";
import { sameRows, type ExpectedRows } from "./compare.js";
import { TableMaker, type Profile } from "./tables.js";

/** Tables, and what the query gives on them. */
export interface TestDatabase {
  tables: FilledTable[];
  expected: ExpectedRows;
}

export interface TestSuite {
  databases: TestDatabase[];
  /** Neighbours that DuckDB takes for queries. */
  neighbours: number;
  /** Those that a database tells from the query. */
  killed: number;
  /** The others, which most often mean the same as the query: see `killable`. */
  survivors: Neighbourhood["neighbours"];
}

export interface DistilOptions {
  seed: number;
  /** Sets of tables to try at most (default 48). */
  rounds?: number;
  /** Databases to keep at most (default 12), those that kill most. */
  most?: number;
}

/** Databases that are kept at least, where there are so many. */
const FEWEST = 4;
/** So many rounds in a row without a kill end the search. */
const PATIENCE = 14;
/** Rounds on rarer tables, where neighbours are left. */
const RARER = 12;

const mixed: Profile = { rows: 24, nulls: 0.1, exact: 0.45, near: 0.25, fresh: 0.1, again: 0.3 };

/** By turns: what one leaves, another may find. */
export function profiles({ window, sizes }: Neighbourhood): Profile[] {
  const wide: Profile = { ...mixed, rows: window + 20, fresh: 0.6, again: 0.15, nulls: 0.05 };
  const all: Profile[] = [
    window > 0 ? wide : mixed,
    { ...mixed, rows: 8, nulls: 0.15, again: 0.4 },
    { ...mixed, rows: 60, exact: 0.7, near: 0.2 },
    { ...mixed, rows: 4, exact: 0.6, near: 0.3, nulls: 0.05, again: 0.6 },
    { ...mixed, rows: 40, exact: 0.3, near: 0.45, fresh: 0.6, again: 0.1, nulls: 0.03 },
    { ...mixed, rows: 3, exact: 0.8, near: 0.15, nulls: 0.1, again: 0.5 },
  ];
  if (window > 0) all.splice(3, 0, { ...wide, rows: 2 * window + 30, exact: 0.8, near: 0.1 });
  if (sizes.length > 0) for (const place of [1, 2, 5, 7]) all.splice(place, 0, { ...mixed, runs: true });
  return all;
}

/** What is tried on neighbours that those leave: groups that tie, lack a key or values, or whose values come to a constant. */
function rarer({ groups }: Neighbourhood): Profile[] {
  return [
    // NULLs in what is sorted by beside those that a predicate asks for; rows that pass all predicates but one.
    { ...mixed, rows: 80, exact: 0.6, near: 0.3, nulls: 0.4 },
    // All rows pass a predicate, or none.
    { ...mixed, rows: 1, exact: 0.3, near: 0.65, nulls: 0.05 },
    ...(groups.length > 0 ? [1, 2].map(() => ({ ...mixed, groups: true, runs: true })) : []),
  ];
}

export const isRows = (result: QueryResult | undefined): result is ResultRows =>
  result !== undefined && "rows" in result;

/** Not a query at all, whatever the tables hold. */
const isInvalid = (result: QueryResult | undefined): boolean =>
  result !== undefined &&
  "error" in result &&
  /^(Binder|Catalog|Parser|Syntax|TypeError|ValueError|Not implemented)/.test(result.error);

/** What answers are held against: the rows of `query.ordered`. */
export function expectation(query: Neighbourhood, ordered: ResultRows): ExpectedRows {
  const own = ordered.columns.length - query.keys;
  return {
    columns: ordered.columns.slice(0, own),
    rows: ordered.rows.map((row) => row.slice(0, own)),
    keys: ordered.rows.map((row) => row.slice(own)),
    offset: query.offset,
    limit: query.limit,
  };
}

type Neighbour = Neighbourhood["neighbours"][number];

/**
 * Distils for a query in text. Without neighbours there are fewer databases to find, in a tenth of the time.
 * @returns why nothing can be told, as a text, also where the query cannot be read or its execution was stopped
 */
export async function distilFor(
  sql: string,
  schema: Schema,
  { engine, executor }: { engine: DslEngine; executor: DuckDbExecutor },
  { hasNeighbours = true, ...options }: DistilOptions & { hasNeighbours?: boolean },
): Promise<TestSuite | string> {
  const query = await engine.neighbours(sql, { schema, slips: hasNeighbours });
  if (query === undefined) return "the query cannot be read";
  try {
    return await distil(query, executor, options);
  } catch (error) {
    if (error instanceof SandboxFailure) return `the query's execution was stopped: ${error.message}`;
    throw error;
  }
}

/**
 * Distils. What the query gives must hang on the tables and not on the order of their rows, so tables on which it does are
 * kept only where there are no others.
 * @returns why nothing can be told, as a text, where the query gives the same, or no row at all, whatever the tables hold
 */
export async function distil(
  query: Neighbourhood,
  executor: DuckDbExecutor,
  { seed, rounds = 48, most = 12 }: DistilOptions,
): Promise<TestSuite | string> {
  const maker = new TableMaker(query);
  const [turns, rare] = [profiles(query), rarer(query)];
  const kept: (TestDatabase & { kills: readonly Neighbour[]; stable: boolean })[] = [];
  const seen = new Set<string>();
  let alive: readonly Neighbour[] | undefined;
  let neighbours = 0;
  let idle = 0;
  let fault: string | undefined;
  let last = 0;
  for (let round = 0; ; round++, idle++) {
    const isOver = round >= rounds || (idle >= PATIENCE && seen.size > 1);
    if (alive?.length === 0 && (isOver || (kept.length >= FEWEST && seen.size > 1))) break;
    if (isOver && (alive === undefined || last === RARER)) break;
    const random = Random.of(seed, "tables", round);
    const profile = isOver ? rare[last++ % rare.length] : turns[round % turns.length];
    const tables = maker.make(random, profile as Profile);
    const tried: readonly Neighbour[] = alive ?? query.neighbours;
    const queries = [query.ordered, query.sql, ...tried.map(({ sql }) => sql)];
    const [ordered, own, ...others] = await executor.execute(tables, queries);
    if (!isRows(ordered) || !isRows(own)) {
      fault ??= `the query does not run: ${[ordered, own].flatMap((one) => (one && "error" in one ? one.error : []))[0]}`;
      continue;
    }
    const expected = expectation(query, ordered);
    const survives = (result: QueryResult | undefined): boolean =>
      isRows(result) && sameRows(expected, result);
    const valid = tried.filter((_, i) => alive !== undefined || !isInvalid(others[i]));
    if (alive === undefined) neighbours = valid.length;
    const left = valid.filter((neighbour) => survives(others[tried.indexOf(neighbour)]));
    const kills = valid.filter((neighbour) => !left.includes(neighbour));
    const result = JSON.stringify(expected.rows);
    alive = valid;
    if (kills.length === 0 && (seen.has(result) || kept.length >= FEWEST)) continue;
    const turned = tables.map((table) => ({ ...table, rows: random.shuffled(table.rows) }));
    const [again] = await executor.execute(turned, [query.sql]);
    const stable = survives(own) && survives(again);
    if (!stable && (kept.some((one) => one.stable) || round < PATIENCE / 2)) continue;
    kept.push({ tables, expected, kills, stable });
    seen.add(result);
    alive = left;
    if (kills.length > 0) idle = 0;
  }
  if (seen.size < 2) return fault ?? "the query gives the same whatever the tables hold";
  kept.sort((a, b) => b.kills.length - a.kills.length);
  const databases = kept.slice(0, most);
  const killed = databases.reduce((sum, { kills }) => sum + kills.length, 0);
  const spared = kept.slice(most).flatMap(({ kills }) => kills);
  return {
    databases: databases.map(({ tables, expected }) => ({ tables, expected })),
    neighbours,
    killed,
    survivors: [...(alive ?? []), ...spared],
  };
}

/**
 * Those of the neighbours that some tables tell from the query, sought for long: what is left means the same, as far as
 * can be found.
 */
export async function killable(
  query: Neighbourhood,
  executor: DuckDbExecutor,
  neighbours: readonly Neighbour[],
  { seed, rounds = 400 }: DistilOptions,
): Promise<Neighbour[]> {
  const maker = new TableMaker(query);
  const turns = [...profiles(query), ...rarer(query)];
  const found: Neighbour[] = [];
  let alive = [...neighbours];
  for (let round = 0; round < rounds && alive.length > 0; round++) {
    const random = Random.of(seed, "tables", round);
    const tables = maker.make(random, turns[round % turns.length] as Profile);
    const queries = [query.ordered, query.sql, ...alive.map(({ sql }) => sql)];
    const [ordered, own, ...others] = await executor.execute(tables, queries);
    if (!isRows(ordered) || !isRows(own)) continue;
    const expected = expectation(query, ordered);
    if (!sameRows(expected, own)) continue;
    const killed = alive.filter((_, i) => {
      const result = others[i];
      return !(isRows(result) && sameRows(expected, result));
    });
    found.push(...killed);
    alive = alive.filter((neighbour) => !killed.includes(neighbour));
  }
  return found;
}
