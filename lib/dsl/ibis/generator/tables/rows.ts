/** Steps that keep, sort and limit rows. */
import { condition, mentions } from "../expressions.js";
import {
  columnNode,
  isKey,
  isPlain,
  pickColumn,
  spoken,
  type Condition,
  type ScopeColumn,
} from "../scope.js";
import { call, keyOf, literal, nameOf, type Node } from "../syntax.js";
import { comparable, step, type State } from "./state.js";

export function filter(state: State, columns: readonly ScopeColumn[] = state.columns): void {
  const usable = comparable(columns).filter(({ name }) => !state.narrowed.has(name));
  if (usable.length === 0) return;
  const conditions = [condition(state.random, usable, state.easy)];
  const rest = usable.filter(({ name }) => conditions.every(({ node }) => !mentions(node, name)));
  if (rest.length > 0 && state.random.chance(0.12)) conditions.push(condition(state.random, rest, true));
  for (const { name } of usable) {
    if (conditions.some(({ node }) => mentions(node, name))) state.narrowed.add(name);
  }
  keep(state, conditions);
}

/** Keeps the rows for which all conditions hold. */
export function keep(state: State, conditions: readonly Condition[]): void {
  const args = conditions.flatMap((c) => conjuncts(c.node));
  step(state, "filter", args, { kind: "filter", conditions: conditions.map((c) => c.english) });
}

/** Conditions that must all hold are written as arguments of their own: one way to say one thing. */
function conjuncts(node: Node): Node[] {
  return node.kind === "binary" && node.op === "&"
    ? [...conjuncts(node.left), ...conjuncts(node.right)]
    : [node];
}

/** Columns that settle the order of rows that tie; undefined where none are known to. */
export const tieBreaks = (state: State, sorted: ScopeColumn): ScopeColumn[] | undefined =>
  state.unique === undefined
    ? undefined
    : state.columns.filter((c) => c.name !== sorted.name && state.unique?.includes(c.name) === true);

/** Sorts by a column, and where a limit follows by as many more as leave nothing open. */
export function order(state: State, limited: boolean): void {
  const { random, columns } = state;
  const column = pickColumn(random, columns, (c) => !isKey(c) && isPlain(c)) ?? random.pick(columns);
  const down = random.chance(0.5);
  const breaks = limited ? (tieBreaks(state, column) ?? []) : [];
  step(state, "order_by", [sortKey(state, column, down), ...breaks.map(keyOf)], {
    kind: "order",
    column: spoken(column),
    down,
    then: breaks.map(spoken),
  });
  if (limited) limit(state);
}

function sortKey({ random, easy }: State, column: ScopeColumn, down: boolean): Node {
  if (!down) return keyOf(column);
  return !easy && random.chance(0.4) ? call(columnNode(column), "desc") : call(null, "desc", [keyOf(column)]);
}

function limit(state: State): void {
  const { random, easy } = state;
  const count = random.pick([1, 3, 5, 10, 20, 50, 100]);
  if (!easy && random.chance(0.12)) {
    const skip = random.pick([1, 2, 5, 10]);
    step(state, "limit", [literal(count)], { kind: "limit", count, skip }, [["offset", literal(skip)]]);
  } else {
    const name = !easy && random.chance(0.15) ? "head" : "limit";
    step(state, name, [literal(count)], { kind: "limit", count });
  }
}

export function distinct(state: State): void {
  step(state, "distinct", [], "drop duplicate rows");
  state.unique = state.columns.map(({ name }) => name);
}

/** Keeps the rows whose value of a column no other row has. */
export function onlyOnce(state: State): boolean {
  const column = pickColumn(state.random, state.columns, (c) => !isKey(c) && isPlain(c));
  if (column === undefined || state.columns.length > 4) return false;
  step(state, "distinct", [], `keep only rows whose ${spoken(column)} no other row has`, [
    ["on", nameOf(column.name)],
    ["keep", literal(null)],
  ]);
  state.columns = state.columns.map(({ ofTable: _, ...rest }) => rest);
  return true;
}
