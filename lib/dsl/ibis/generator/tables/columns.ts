/** Steps that choose, add, name and clean columns. */
import { isMeasure, pickColumn, spoken, type Expression, type ScopeColumn } from "../scope.js";
import { keyOf, literal, nameOf } from "../syntax.js";
import { fresh, listed, newColumn, step, stillUnique, withoutTable, type State } from "./state.js";

export function mutate(state: State, expression: Expression | undefined): void {
  if (!fresh(state, expression)) return;
  step(state, "mutate", [], `add ${expression.name} as ${expression.english}`, [
    [expression.name, expression.node],
  ]);
  state.columns = [...state.columns.map(withoutTable), newColumn(expression)];
}

export function select(state: State): void {
  const kept = state.random.sample(state.columns, state.random.between(1, Math.min(3, state.columns.length)));
  step(state, "select", kept.map(keyOf), `select ${listed(kept)}`);
  state.unique = stillUnique(state, kept);
  state.columns = kept;
}

export function cleaning(state: State): void {
  const { random } = state;
  const column = pickColumn(random, state.columns, (c) => c.kind === "str" || isMeasure(c));
  const form = random.below(3);
  if (column === undefined) return;
  if (form === 0) {
    step(state, "drop_null", [nameOf(column.name)], `drop rows where ${spoken(column)} is null`);
  } else if (form === 1 && state.columns.length > 2) {
    step(state, "drop", [nameOf(column.name)], `drop the column ${spoken(column)}`);
    state.columns = state.columns.filter((c) => c !== column);
    state.unique = stillUnique(state, state.columns);
  } else {
    const label = `${random.pick(["new", "base", "main", "raw"])} ${spoken(column)}`;
    const name = label.replaceAll(" ", "_");
    step(state, "rename", [], `rename ${spoken(column)} to ${label}`, [[name, literal(column.name)]]);
    const renamed = (c: ScopeColumn): ScopeColumn =>
      c === column ? { ...withoutTable(c), name, label } : withoutTable(c);
    state.columns = state.columns.map(renamed);
    state.unique = stillUnique(state, state.columns);
  }
}
