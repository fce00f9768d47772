/** Steps that reduce many rows to few. */
import { reduction } from "../expressions.js";
import { numberIn } from "../literals.js";
import { isCategory, isNumber, type Expression, type ScopeColumn } from "../scope.js";
import { binary, call, keyOf, literal } from "../syntax.js";
import { computed, newColumn, said, spokenAll, step, withoutTable, type State } from "./state.js";

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

/** Columns that make few groups. */
export function groupKeys(state: State): ScopeColumn[] {
  const varied = state.columns.filter(({ name }) => !state.narrowed.has(name));
  const categories = varied.filter(isCategory);
  const few = varied.filter((c) => isCategory(c) || c.role === "foreign" || c.kind === "date");
  return categories.length > 0 && state.random.chance(0.85) ? categories : few;
}

export function group(state: State): boolean {
  const { random } = state;
  const pool = groupKeys(state);
  if (pool.length === 0) return false;
  const keys = random.sample(pool, random.chance(0.8) ? 1 : 2);
  const values = state.columns.filter((c) => !keys.includes(c));
  const found = aggregates(state, values.length > 0 ? values : state.columns);
  if (found.length === 0) return false;
  const having = !state.easy && random.chance(0.12) ? bound(state, found) : undefined;
  const grouped = call(state.node, "group_by", keys.map(keyOf));
  state.node = call(
    having === undefined ? grouped : call(grouped, "having", [having.node]),
    "agg",
    [],
    found.map((e) => [e.name, e.node]),
  );
  said(state, {
    kind: "summary",
    values: found.map(computed),
    keys: spokenAll(keys),
    ...(having === undefined ? {} : { having: having.english }),
  });
  state.columns = [...keys.map(withoutTable), ...found.map(newColumn)];
  state.unique = keys.map(({ name }) => name);
  state.narrowed = new Set();
  return true;
}

/** A condition on groups: so many rows, or a bound of what is computed for each. */
function bound({ random }: State, found: readonly Expression[]): Pick<Expression, "node" | "english"> {
  const bounded = found.filter(({ kind, range }) => isNumber(kind) && range !== undefined);
  if (bounded.length === 0 || random.chance(0.5)) {
    const least = random.pick([1, 2, 3, 5, 10]);
    return {
      node: binary(">", call({ kind: "self" }, "count"), literal(least)),
      english: `there are more than ${least} rows`,
    };
  }
  const { node, english, kind, range } = random.pick(bounded);
  const least = numberIn(random, { kind, ...(range === undefined ? {} : { range }) });
  return { node: binary(">", node, literal(least)), english: `${english} is above ${least}` };
}

export function aggregate(state: State): boolean {
  const found = aggregates(state, state.columns);
  if (found.length === 0) return false;
  step(
    state,
    "agg",
    [],
    { kind: "summary", values: found.map(computed), keys: [] },
    found.map((e) => [e.name, e.node]),
  );
  state.columns = found.map(newColumn);
  return true;
}
