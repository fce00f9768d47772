/** Steps that keep, sort and count rows. */
import { condition, mentions } from "../expressions.js";
import { isCategory, isKey, pickColumn, spoken, type ScopeColumn } from "../scope.js";
import { call, keyOf, literal, type Node } from "../syntax.js";
import { comparable, listed, step, type State } from "./state.js";

export function filter(state: State, columns: readonly ScopeColumn[] = state.columns): void {
  const usable = comparable(columns).filter(({ name }) => !state.narrowed.has(name));
  if (usable.length === 0) return;
  const conditions = [condition(state.random, usable, state.easy)];
  const rest = usable.filter(({ name }) => conditions.every(({ node }) => !mentions(node, name)));
  if (rest.length > 0 && state.random.chance(0.12)) conditions.push(condition(state.random, rest, true));
  for (const { name } of usable) {
    if (conditions.some(({ node }) => mentions(node, name))) state.narrowed.add(name);
  }
  const english = conditions.map((c) => c.english).join(" and ");
  const args = conditions.flatMap((c) => conjuncts(c.node));
  step(state, "filter", args, `keep rows where ${english}`);
}

/** Conditions that must all hold are written as arguments of their own: one way to say one thing. */
function conjuncts(node: Node): Node[] {
  return node.kind === "binary" && node.op === "&"
    ? [...conjuncts(node.left), ...conjuncts(node.right)]
    : [node];
}

/** Sorts by a column, and where a limit follows by as many more as leave nothing open. */
export function order(state: State, limited: boolean): void {
  const { random, columns } = state;
  const column = pickColumn(random, columns, (c) => !isKey(c) && c.kind !== "other") ?? random.pick(columns);
  const down = random.chance(0.5);
  const key: Node = down ? call(null, "desc", [keyOf(column)]) : keyOf(column);
  const breaks = columns.filter((c) => limited && c !== column && state.unique?.includes(c.name) === true);
  const then = breaks.length > 0 ? ` and then by ${listed(breaks)}` : "";
  const by = `sort by ${spoken(column)}${down ? " in descending order" : ""}${then}`;
  step(state, "order_by", [key, ...breaks.map(keyOf)], by);
  if (!limited) return;
  const count = random.pick([1, 3, 5, 10, 20, 50, 100]);
  step(state, "limit", [literal(count)], `take the first ${count === 1 ? "row" : `${count} rows`}`);
}

export function distinct(state: State): void {
  step(state, "distinct", [], "drop duplicate rows");
  state.unique = state.columns.map(({ name }) => name);
}

/** Steps that end a program: counts of rows and of values. */
export function terminal(state: State): void {
  const { random } = state;
  const column = pickColumn(random, state.columns, (c) => isCategory(c) || c.role === "foreign");
  if (column === undefined || random.chance(0.3)) {
    step(state, "count", [], "count the rows");
    return;
  }
  const name = spoken(column);
  state.node = call(state.node, "select", [keyOf(column)]);
  const form = random.weighted([
    [5, 0],
    [1, 1],
    [4, 2],
  ] as const);
  if (form === 0) step(state, "value_counts", [], `count the rows of each ${name}`);
  else if (form === 1) {
    const most = random.pick([3, 5, 10]);
    step(state, "topk", [literal(most)], `find the ${most} most common values of ${name}`);
  } else {
    state.node = call(state.node, "distinct");
    step(state, "count", [], `count the different values of ${name}`);
  }
}
