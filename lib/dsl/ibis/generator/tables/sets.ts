/** Rows of one table beside those of another. */
import type { Relation } from "../schemas.js";
import { pickColumn, spoken } from "../scope.js";
import { call, isJoin, keyOf, literal, type Node } from "../syntax.js";
import { freshState, tieOf } from "./joins.js";
import { filter } from "./rows.js";
import { comparable, said, withoutTable, type State } from "./state.js";

const WORDS = {
  union: "append",
  intersect: "keep rows also among",
  difference: "remove rows found among",
} as const;
type Operation = keyof typeof WORDS;

/** As a method of the first table, or as a function of both. */
function combine(state: State, name: Operation, other: Node, distinct: boolean | undefined): void {
  const named: [string, Node][] = distinct === undefined ? [] : [["distinct", literal(distinct)]];
  const { node } = state;
  const asFunction = !state.easy && state.random.chance(0.25);
  state.node = asFunction ? call(null, name, [node, other], named) : call(node, name, [other], named);
  state.columns = state.columns.map(withoutTable);
  const keepsCopies = distinct === false || (name === "union" && distinct === undefined);
  state.unique = keepsCopies ? undefined : state.columns.map((c) => c.name);
}

function copies({ random, easy }: State, name: Operation): boolean | undefined {
  if (name === "union") return random.chance(0.5) ? true : undefined;
  return !easy && random.chance(0.2) ? false : undefined;
}

/** Rows of one table that meet one condition, and those that meet another. */
export function setOperation(state: State): void {
  const { random } = state;
  const name = random.pick<Operation>(["union", "union", "intersect", "difference"]);
  const column = pickColumn(random, comparable(state.columns), () => true);
  // Both sides begin with the same steps, which few people write twice.
  if (column === undefined || (!state.easy && state.clauses.length > 1)) return;
  const other: State = { ...state, clauses: [], narrowed: new Set() };
  filter(other, [column]);
  if (!isJoin(state.node) || random.chance(0.6)) filter(state);
  const [clause] = other.clauses;
  const where = clause?.kind === "filter" ? clause.conditions.join(" and ") : "";
  combine(state, name, other.node, copies(state, name));
  said(state, `${WORDS[name]} the rows where ${where}`);
}

/** The keys that two tables have in common, or only one of them has. */
export function sharedKeys(state: State, relation: Relation, at: number): boolean {
  const tie = tieOf(state, relation, at);
  if (tie?.own.name !== tie?.other.name || tie === undefined) return false;
  const { own, other, right } = tie;
  const name = state.random.pick<Operation>(["union", "intersect", "difference"]);
  const there = freshState(state, right);
  if (state.random.chance(0.4)) filter(there);
  const [clause] = there.clauses;
  const where = clause?.kind === "filter" ? ` where ${clause.conditions.join(" and ")}` : "";
  state.node = call(state.node, "select", [keyOf(own)]);
  state.columns = [own];
  said(state, { kind: "select", columns: [spoken(own)] });
  combine(
    state,
    name,
    call(there.node, "select", [keyOf(other)]),
    name === "union" ? true : copies(state, name),
  );
  said(state, `${WORDS[name]} the ${spoken(other)} values of ${right.name}${where}`);
  return true;
}
