/** Steps that end a program: counts of rows and of values, and single values. */
import { isCategory, isMeasure, pickColumn, spoken } from "../scope.js";
import { call, keyOf, literal, type Node } from "../syntax.js";
import { said, step, type State } from "./state.js";

export function terminal(state: State): void {
  const { random, easy } = state;
  const column = pickColumn(random, state.columns, (c) => isCategory(c) || c.role === "foreign");
  if (!easy && random.chance(0.3) && single(state)) return;
  if (column === undefined || random.chance(0.3)) {
    const different = !easy && state.columns.length < 9 && random.chance(0.3);
    step(
      state,
      different ? "nunique" : "count",
      [],
      different ? "count the different rows" : "count the rows",
    );
    return;
  }
  const name = spoken(column);
  if (!easy && random.chance(0.15)) {
    state.node = call(call(state.node, "group_by", [keyOf(column)]), "count");
    said(state, `count the rows of each ${name}`);
    return;
  }
  if (!easy && random.chance(0.1)) {
    const own: Node = { kind: "field", table: state.node, name: column.name };
    state.node = call(call(own, "as_table"), "distinct");
    said(state, `list the different values of ${name}`);
    return;
  }
  // `t.region.value_counts()` or `t.select("region").value_counts()`
  const ofColumn = !easy && random.chance(0.4);
  const values: Node = ofColumn
    ? { kind: "field", table: state.node, name: column.name }
    : call(state.node, "select", [keyOf(column)]);
  state.node = values;
  const form = random.weighted([
    [5, 0],
    [1, 1],
    [4, 2],
  ] as const);
  if (form === 0) {
    const named: [string, Node][] = !easy && random.chance(0.5) ? [["name", literal("n")]] : [];
    step(state, "value_counts", [], `count the rows of each ${name}`, named);
  } else if (form === 1) {
    const most = random.pick([3, 5, 10]);
    step(state, "topk", [literal(most)], `find the ${most} most common values of ${name}`);
  } else if (ofColumn || (!easy && random.chance(0.3))) {
    step(state, "nunique", [], `count the different values of ${name}`);
  } else {
    state.node = call(state.node, "distinct");
    step(state, "count", [], `count the different values of ${name}`);
  }
}

const SINGLE = [
  ["sum", "total"],
  ["mean", "average"],
  ["max", "largest"],
  ["min", "smallest"],
] as const;

/** One value of a whole column: `t.amount.sum()`. */
function single(state: State): boolean {
  const column = pickColumn(state.random, state.columns, isMeasure);
  if (column === undefined) return false;
  const [method, english] = state.random.pick(SINGLE);
  const value = call({ kind: "field", table: state.node, name: column.name }, method);
  state.node = state.random.chance(0.15) ? call(value, "as_table") : value;
  said(state, `find the ${english} ${spoken(column)}`);
  return true;
}
