/** Joins: along the foreign keys of a schema, of a table with itself, to the latest row, and of all with one. */
import type { Clause } from "../questions/clauses.js";
import type { Relation, Table } from "../schemas.js";
import { columnNode, isDate, isMeasure, pickColumn, spoken, stem, type ScopeColumn } from "../scope.js";
import { binary, call, isJoin, keyOf, listOf, literal, nameOf, tupleOf, type Node } from "../syntax.js";
import { filter } from "./rows.js";
import { nullable, said, step, withoutTable, type State } from "./state.js";

/** How two tables are tied: `own` is a column of what is joined already, `other` one of the new table `right`. */
export interface Tie {
  right: Table;
  own: ScopeColumn;
  other: ScopeColumn;
  /** Whether the new table holds the foreign key. */
  rightHolds: boolean;
}

/** The tie that a relation is, to table `at`; undefined where a column of it is not there. */
export function tieOf(state: State, relation: Relation, at: number): Tie | undefined {
  const right = state.schema.tables[at] as Table;
  const rightHolds = relation.from === at;
  const [ownName, otherName] = rightHolds ? [relation.key, relation.column] : [relation.column, relation.key];
  const own = state.columns.find(({ name }) => name === ownName);
  const other = right.columns.find(({ name }) => name === otherName);
  return own === undefined || other === undefined ? undefined : { right, own, other, rightHolds };
}

/** `table` before any step. */
export const freshState = (state: State, table: Table): State => ({
  ...state,
  node: { kind: "table", name: table.name },
  columns: table.columns.map((column) => ({ ...column, ofTable: table.name })),
  clauses: [],
  narrowed: new Set(),
  unique: undefined,
});

/** What a tie's columns are, in words. */
const onKeys = ({ own, other }: Tie): string =>
  own.name === other.name ? spoken(own) : `${spoken(own)} equal to ${spoken(other)}`;

const VERBS = {
  inner: "join",
  left: "left join",
  right: "right join",
  outer: "full outer join",
  semi: "keep rows that match",
  anti: "keep rows that match none of",
} as const;
export type How = keyof typeof VERBS;

const always = (name: string, ofTable: string): Node => ({ kind: "column", name, ofTable, always: true });

/** The words and the node of a tie's table, of which now and then only some rows are wanted. */
function rightSide(state: State, { right }: Tie): { node: Node; conditions: string[] } {
  const other = freshState(state, right);
  if (state.random.chance(0.15)) filter(other);
  for (const name of other.narrowed) state.narrowed.add(name);
  const [clause] = other.clauses;
  return { node: other.node, conditions: clause?.kind === "filter" ? clause.conditions : [] };
}

const randomHow = ({ random }: State): How =>
  random.weighted([
    [10, "inner"],
    [6, "left"],
    [1.5, "right"],
    [1.5, "outer"],
    [2, "semi"],
    [2, "anti"],
  ]);

/** Along a foreign key, to a table that is not joined yet; `how` is drawn where it is not given. */
export function join(state: State, relation: Relation, at: number, how = randomHow(state)): void {
  const { random } = state;
  const tie = tieOf(state, relation, at);
  if (tie === undefined) return;
  const { right, own, other, rightHolds } = tie;
  const keepsLeft = how === "semi" || how === "anti";
  // ClickHouse alone has joins that take one of several matches; of a key there is one.
  const any = state.dialect === "clickhouse" && !rightHolds && (how === "inner" || how === "left");
  const method =
    any && random.chance(0.4) ? `any_${how}_join` : keepsLeft || random.chance(0.2) ? `${how}_join` : "join";
  const named: [string, Node][] = how !== "inner" && method === "join" ? [["how", literal(how)]] : [];
  const side = rightSide(state, tie);
  const same = own.name === other.name;
  const predicate: Node =
    own.ofTable !== undefined && side.conditions.length === 0 && random.chance(same ? 0.25 : 0.5)
      ? binary("==", always(own.name, own.ofTable), always(other.name, right.name))
      : same
        ? nameOf(own.name)
        : listOf([tupleOf([nameOf(own.name), nameOf(other.name)])]);
  const { conditions } = side;
  const clause: Clause = { kind: "join", verb: VERBS[how], table: right.name, on: onKeys(tie), conditions };
  step(state, method, [side.node, predicate], clause, named);
  const kept = state.columns.map(withoutTable);
  if (keepsLeft) {
    state.columns = kept;
    return;
  }
  const twice = how === "right" || how === "outer";
  const gained = right.columns.flatMap((c) => {
    if (c.name !== own.name) return [c];
    return twice ? [{ ...c, name: `${c.name}_right`, label: `${right.name} ${spoken(c)}` }] : [];
  });
  const fills = { left: how === "right" || how === "outer", right: how === "left" || how === "outer" };
  const joining = new Set([own.name, other.name]);
  // Of an inner join no row has a NULL in what joins it.
  const certain = (c: ScopeColumn): ScopeColumn =>
    how === "inner" && joining.has(c.name) ? { ...c, neverNull: true } : c;
  state.columns = [
    ...kept.map((c) => (fills.left ? nullable(c) : certain(c))),
    ...gained.map((c) => (fills.right ? nullable(c) : certain(c))),
  ];
  const key = right.columns.find(({ role }) => role === "key");
  if (rightHolds) {
    const one = how === "inner" || how === "right";
    state.unique = one && key !== undefined && key.name !== own.name ? [key.name] : undefined;
  } else if (twice) state.unique = undefined;
}

/** The time of a row that is looked up: of rows that share it, only the time and the key are taken. */
export function asofJoin(state: State, relation: Relation, at: number): boolean {
  const tie = tieOf(state, relation, at);
  if (tie === undefined || tie.own.ofTable === undefined || tie.own.name !== tie.other.name) return false;
  const { right, own } = tie;
  const time = pickColumn(state.random, state.columns, (c) => isDate(c.kind) && c.ofTable !== undefined);
  const moment = right.columns.find(({ kind }) => kind === time?.kind);
  if (time?.ofTable === undefined || moment === undefined) return false;
  const taken = call({ kind: "table", name: right.name }, "select", [keyOf(tie.other), keyOf(moment)]);
  const on = binary(">=", always(time.name, time.ofTable), always(moment.name, right.name));
  const text = `join to each row the latest ${spoken(moment)} of ${right.name} of the same ${spoken(own)} that is not after ${spoken(time)}`;
  step(state, "asof_join", [taken, on, nameOf(own.name)], text);
  const gained = [{ ...own, name: `${own.name}_right`, label: `${right.name} ${spoken(own)}` }, moment];
  state.columns = [...state.columns, ...gained.map(nullable)].map(withoutTable);
  return true;
}

/** A table with itself: along a key of its own, or all pairs that share a value. */
export function selfJoin(state: State): boolean {
  const { random } = state;
  const joined = isJoin(state.node);
  const root = state.node.kind === "table" ? state.node.name : joined ? "the joined rows" : undefined;
  const shared = pickColumn(random, state.columns, (c) => c.role === "foreign" || c.role === "category");
  if (root === undefined || shared === undefined || state.columns.length > (joined ? 8 : 5)) return false;
  const rname = random.pick(["{name}_other", "other_{name}"]);
  step(
    state,
    random.chance(0.7) ? "join" : "inner_join",
    [call(state.node, "view"), nameOf(shared.name)],
    `join ${root} with itself on ${spoken(shared)}`,
    [["rname", literal(rname)]],
  );
  const others = state.columns
    .filter((c) => c !== shared)
    .map((c) => ({ ...c, name: rname.replace("{name}", c.name), label: `other ${spoken(c)}` }));
  state.columns = [...state.columns, ...others].map(withoutTable);
  state.unique = undefined;
  return true;
}

/** Each row beside one that sums up all, and its share of it. */
export function shareOfAll(state: State): boolean {
  const column = pickColumn(state.random, state.columns, isMeasure);
  if (column === undefined || (state.node.kind !== "table" && !isJoin(state.node))) return false;
  const name = `${stem(column)}_of_all`;
  const share = `${stem(column)}_share`;
  if (state.columns.some((c) => c.name === name || c.name === share)) return false;
  const totals = call(state.node, "agg", [], [[name, call({ kind: "column", name: column.name }, "sum")]]);
  const of: ScopeColumn = { name, kind: column.kind, type: column.kind, values: [] };
  const value = binary("/", columnNode({ name: column.name }), columnNode(of));
  state.node = call(call(state.node, "cross_join", [totals]), "mutate", [], [[share, value]]);
  said(state, `cross join the total ${spoken(column)} of all rows as ${name}`);
  said(state, {
    kind: "add",
    value: { name: share, english: `${spoken(column)} divided by that total` },
  });
  state.columns = [...state.columns.map(withoutTable), of, { ...of, name: share, kind: "float" }];
  return true;
}

/** A join along the first relation, and to each of its rows the latest one of a third table. */
export function asofOfJoin(state: State, first: Relation, second: Relation): boolean {
  const root = state.columns;
  const last = state.schema.tables[2];
  if (tieOf(state, second, 2) === undefined || last === undefined) return false;
  join(state, first, 1);
  // The columns of the first table are still its own, as a condition of the next join names them.
  const owned = (column: ScopeColumn): ScopeColumn => {
    const own = root.find(({ name, kind }) => name === column.name && kind === column.kind);
    return own?.ofTable === undefined ? column : { ...column, ofTable: own.ofTable };
  };
  const moments = last.columns.filter(({ kind }) => isDate(kind)).map(({ name }) => name);
  state.columns = state.columns.map(owned);
  const clash = state.columns.some(({ name }) => moments.includes(name));
  if (!clash && asofJoin(state, second, 2)) return true;
  state.columns = state.columns.map(withoutTable);
  join(state, second, 2);
  return true;
}

/** How the joins of many tables are made: few people mix more than inner and left joins. */
const OF_MANY: readonly (readonly [weight: number, hows: readonly How[]])[] = [
  [6, ["inner"]],
  [2, ["left"]],
  [1, ["inner", "left"]],
  [0.5, ["inner", "inner", "semi", "anti"]],
];

/** One table after the other, along the relations of a wide schema. */
export function joinMany(state: State): void {
  const { random, schema } = state;
  const hows = random.weighted(OF_MANY);
  schema.relations.forEach((relation, i) => join(state, relation, i + 1, random.pick(hows)));
}
