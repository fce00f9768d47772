/** Rows of one table beside those of another. */
import { pickColumn } from "../scope.js";
import { literal, type Node } from "../syntax.js";
import { filter } from "./rows.js";
import { comparable, step, withoutTable, type State } from "./state.js";

export function setOperation(state: State): void {
  const { random } = state;
  const name = random.pick(["union", "union", "intersect", "difference"] as const);
  const english = {
    union: "append",
    intersect: "keep rows also among",
    difference: "remove rows found among",
  }[name];
  const column = pickColumn(random, comparable(state.columns), () => true);
  if (column === undefined) return;
  const other: State = { ...state, english: [], narrowed: new Set() };
  filter(other, [column]);
  const named: [string, Node][] = name === "union" && random.chance(0.5) ? [["distinct", literal(true)]] : [];
  filter(state);
  step(
    state,
    name,
    [other.node],
    `${english} the rows where ${(other.english[0] ?? "").replace("keep rows where ", "")}`,
    named,
  );
  state.columns = state.columns.map(withoutTable);
  const keepsCopies = name === "union" && named.length === 0;
  state.unique = keepsCopies ? undefined : state.columns.map((c) => c.name);
}
