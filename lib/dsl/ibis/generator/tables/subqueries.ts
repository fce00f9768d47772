/** Conditions that ask another table, or the table as a whole. */
import type { Random } from "../../../../data/random.js";
import type { Relation } from "../schemas.js";
import { columnNode, isMeasure, pickColumn, spoken } from "../scope.js";
import { binary, call, literal, type Node } from "../syntax.js";
import { freshState, tieOf } from "./joins.js";
import { filter, keep } from "./rows.js";
import type { State } from "./state.js";

/** Rows whose key is among those of another table, which is itself filtered: IN (SELECT …) or EXISTS. */
export function among(state: State, relation: Relation, at: number): boolean {
  const tie = tieOf(state, relation, at);
  if (tie === undefined) return false;
  const { own, other, right } = tie;
  const table = freshState(state, right);
  filter(
    table,
    right.columns.filter((c) => c.name !== other.name).map((c) => ({ ...c, ofTable: right.name })),
  );
  const [clause] = table.clauses;
  if (clause?.kind !== "filter" || state.narrowed.has(own.name)) return false;
  state.narrowed.add(own.name);
  const where = clause.conditions.join(" and ");
  if (own.ofTable !== undefined && state.random.chance(0.3)) {
    const equal = binary(
      "==",
      { kind: "column", name: own.name, ofTable: own.ofTable, always: true },
      { kind: "column", name: other.name, ofTable: right.name, always: true },
    );
    const english = `there is a row of ${right.name} with the same ${spoken(own)}`;
    keep(state, [{ node: call(equal, "any"), english }]);
    return true;
  }
  const values: Node = { kind: "field", table: table.node, name: other.name };
  const english = `${spoken(own)} is among the ${spoken(other)} values of ${right.name} where ${where}`;
  keep(state, [{ node: call(columnNode(own), "isin", [values]), english }]);
  return true;
}

/** One value of the whole table, as a table of one row that stands for it, or as that table's column. */
function ofTable(random: Random, root: Node, name: string, method: string): Node {
  const whole = call(root, "agg", [], [["whole", call({ kind: "column", name }, method)]]);
  const one: Node = random.chance(0.5) ? whole : { kind: "field", table: whole, name: "whole" };
  return call(one, "as_scalar");
}

/** Rows held against all rows: above the average, at the maximum. */
export function besideAll(state: State): boolean {
  const { random } = state;
  const column = pickColumn(random, state.columns, (c) => isMeasure(c) && !state.narrowed.has(c.name));
  if (column === undefined) return false;
  const [op, method, english] = random.pick([
    [">", "mean", "is above the average"],
    ["<", "mean", "is below the average"],
    ["==", "max", "is the largest"],
    ["==", "min", "is the smallest"],
    [">", "median", "is above the median"],
  ] as const);
  if (method === "median" && column.kind === "decimal") return false;
  const own = columnNode(column);
  const root: Node | undefined = state.node.kind === "table" ? state.node : undefined;
  const times = method === "mean" && random.chance(0.2) ? random.pick([1.5, 2]) : undefined;
  const all =
    root !== undefined && random.chance(0.25)
      ? ofTable(random, root, column.name, method)
      : call(own, method);
  const bound = times === undefined ? all : binary("*", all, literal(times));
  const text = `${spoken(column)} ${english.replace("above the", times === undefined ? "above the" : `above ${times} times the`).replace("below the", times === undefined ? "below the" : `below ${times} times the`)}`;
  keep(state, [{ node: binary(op, own, bound), english: `${text} of all` }]);
  state.narrowed.add(column.name);
  return true;
}
