/** Steps that reduce many rows to few. */
import { reduction } from "../expressions.js";
import { isCategory, type Expression, type ScopeColumn } from "../scope.js";
import { call, keyOf } from "../syntax.js";
import { listed, newColumn, step, withoutTable, type State } from "./state.js";

/** The rows' count is a method of the table itself, written `_.count()`. */
function aggregates(state: State, source: readonly ScopeColumn[]): Expression[] {
  const count = state.random.weighted([
    [3, 1],
    [1, 2],
  ] as const);
  const found: Expression[] = [];
  for (let i = 0; i < count; i++) {
    const expression = reduction(state.random, source, state.easy);
    if (source.some((c) => c.name === expression.name) || found.some((e) => e.name === expression.name))
      continue;
    found.push(expression);
  }
  return found;
}

export function group(state: State): boolean {
  const varied = state.columns.filter(({ name }) => !state.narrowed.has(name));
  const categories = varied.filter(isCategory);
  const few = varied.filter((c) => isCategory(c) || c.role === "foreign" || c.kind === "date");
  const pool = categories.length > 0 && state.random.chance(0.85) ? categories : few;
  if (pool.length === 0) return false;
  const keys = state.random.sample(pool, state.random.chance(0.8) ? 1 : 2);
  const values = state.columns.filter((c) => !keys.includes(c));
  const found = aggregates(state, values.length > 0 ? values : state.columns);
  if (found.length === 0) return false;
  const grouped = call(state.node, "group_by", keys.map(keyOf));
  state.node = call(
    grouped,
    "agg",
    [],
    found.map((e) => [e.name, e.node]),
  );
  state.english.push(
    `compute ${found.map((e) => `${e.english} as ${e.name}`).join(" and ")} for each ${listed(keys)}`,
  );
  state.columns = [...keys.map(withoutTable), ...found.map(newColumn)];
  state.unique = keys.map(({ name }) => name);
  state.narrowed = new Set();
  return true;
}

export function aggregate(state: State): boolean {
  const found = aggregates(state, state.columns);
  if (found.length === 0) return false;
  const english = `compute ${found.map((e) => `${e.english} as ${e.name}`).join(" and ")}`;
  step(
    state,
    "agg",
    [],
    english,
    found.map((e) => [e.name, e.node]),
  );
  state.columns = found.map(newColumn);
  return true;
}
