import type { Random } from "../../../data/random.js";
import { condition, mentions, reduction, rowValue, windowValue } from "./expressions.js";
import { randomSchema, type RandomSchema, type Relation, type Table } from "./schemas.js";
import {
  isCategory,
  isKey,
  isMeasure,
  pickColumn,
  spoken,
  type Expression,
  type ScopeColumn,
} from "./scope.js";
import { binary, call, chainOf, childrenOf, isTable, keyOf, literal, nameOf, type Node } from "./syntax.js";

/** `quickstart` is narrow enough to be learnt in minutes; `full` has all shapes. */
export type Profile = "quickstart" | "full";
export const PROFILES: readonly Profile[] = ["quickstart", "full"];

export interface Program {
  node: Node;
  /** One clause a step, in the imperative. */
  english: string[];
  schema: RandomSchema;
}

interface State {
  random: Random;
  easy: boolean;
  node: Node;
  columns: ScopeColumn[];
  english: string[];
  /** Columns that no two rows share together, where that is known: an order by them leaves nothing open. */
  unique: readonly string[] | undefined;
  /** Columns that a filter has narrowed: another condition on them may leave no row. */
  narrowed: Set<string>;
}

const newColumn = (expression: Expression): ScopeColumn => ({
  name: expression.name,
  kind: expression.kind,
  type: expression.kind,
  values: [],
  ...(expression.range === undefined ? {} : { range: expression.range }),
});

/** Strings born of an expression have no plausible literals: they are left out of conditions. */
const comparable = (columns: readonly ScopeColumn[]): ScopeColumn[] =>
  columns.filter(({ kind, role }) => kind !== "other" && (kind !== "str" || role !== undefined));

function step(state: State, name: string, args: Node[], english: string, named: [string, Node][] = []): void {
  state.node = call(state.node, name, args, named);
  state.english.push(english);
}

const listed = (columns: readonly ScopeColumn[]): string => columns.map(spoken).join(" and ");

function filter(state: State, columns: readonly ScopeColumn[] = state.columns): void {
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

/** The new columns' names are fresh, so that no answer hangs on which of two columns is meant. */
function fresh(state: State, expression: Expression | undefined): expression is Expression {
  return expression !== undefined && !state.columns.some((column) => column.name === expression.name);
}

function mutate(state: State, expression: Expression | undefined): void {
  if (!fresh(state, expression)) return;
  step(state, "mutate", [], `add ${expression.name} as ${expression.english}`, [
    [expression.name, expression.node],
  ]);
  state.columns = [...state.columns.map(withoutTable), newColumn(expression)];
}

function withoutTable(column: ScopeColumn): ScopeColumn {
  const { ofTable: _, ...rest } = column;
  return rest;
}

/** What of the unique columns is left when only `kept` are. */
const stillUnique = (state: State, kept: readonly ScopeColumn[]): readonly string[] | undefined =>
  state.unique?.every((name) => kept.some((column) => column.name === name)) === true
    ? state.unique
    : undefined;

function select(state: State): void {
  const kept = state.random.sample(state.columns, state.random.between(1, Math.min(3, state.columns.length)));
  step(state, "select", kept.map(keyOf), `select ${listed(kept)}`);
  state.unique = stillUnique(state, kept);
  state.columns = kept;
}

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

function group(state: State): boolean {
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

function aggregate(state: State): boolean {
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

/** Sorts by a column, and where a limit follows by as many more as leave nothing open. */
function order(state: State, limited: boolean): void {
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

function distinct(state: State): void {
  step(state, "distinct", [], "drop duplicate rows");
  state.unique = state.columns.map(({ name }) => name);
}

/** Along a foreign key. `relation` ties `right` to one of the tables that are joined already. */
function join(state: State, schema: RandomSchema, relation: Relation, at: number): void {
  const { random } = state;
  const right = schema.tables[at] as Table;
  const rightHolds = relation.from === at;
  const [own, other] = rightHolds ? [relation.key, relation.column] : [relation.column, relation.key];
  const left = state.columns.find(({ name }) => name === own);
  const rightKey = right.columns.find(({ name }) => name === other);
  if (left === undefined || rightKey === undefined) return;
  const how = random.weighted([
    [5, "inner"],
    [3, "left"],
    [1, "semi"],
    [1, "anti"],
  ] as const);
  const keepsLeft = how === "semi" || how === "anti";
  const method = keepsLeft || random.chance(0.2) ? `${how}_join` : "join";
  const named: [string, Node][] = how === "left" && method === "join" ? [["how", literal("left")]] : [];
  const equal = (table: string): Node =>
    binary(
      "==",
      { kind: "column", name: own, ofTable: table, always: true },
      { kind: "column", name: other, ofTable: right.name, always: true },
    );
  const predicate: Node =
    left.ofTable !== undefined && random.chance(own === other ? 0.25 : 0.5)
      ? equal(left.ofTable)
      : own === other
        ? nameOf(own)
        : { kind: "list", items: [{ kind: "tuple", items: [nameOf(own), nameOf(other)] }] };
  const verb = {
    inner: "join",
    left: "left join",
    semi: "keep rows that match",
    anti: "keep rows that match none of",
  }[how];
  const keys = own === other ? spoken(left) : `${spoken(left)} equal to ${spoken(rightKey)}`;
  step(
    state,
    method,
    [{ kind: "table", name: right.name }, predicate],
    `${verb} ${right.name} on ${keys}`,
    named,
  );
  const gained = !keepsLeft ? right.columns.filter((c) => c.name !== own || own !== other) : [];
  state.columns = [...state.columns.map(withoutTable), ...gained];
  if (keepsLeft || !rightHolds) return;
  const key = right.columns.find(({ role }) => role === "key");
  state.unique = how === "inner" && key !== undefined ? [key.name] : undefined;
}

function cleaning(state: State): void {
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

/** Steps that end a program: counts of rows and of values. */
function terminal(state: State): void {
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

function setOperation(state: State): void {
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

/** Names of columns that an expression mentions. */
function namesIn(node: Node): string[] {
  if (isTable(node)) return [];
  const own = node.kind === "column" || node.kind === "name" ? [node.name] : [];
  return [...own, ...childrenOf(node).flatMap(namesIn)];
}

/** Whether a column is computed and then neither used nor kept: its SQL would not say that it ever was. */
function hasDeadColumn(program: Node, kept: readonly ScopeColumn[]): boolean {
  const used = new Set(kept.map(({ name }) => name));
  for (const step of chainOf(program).reverse()) {
    const makes =
      step.kind === "call" && (step.name === "mutate" || step.name === "rename") ? step.named : [];
    if (makes.some(([name]) => !used.has(name))) return true;
    for (const child of childrenOf(step)) for (const name of namesIn(child)) used.add(name);
    for (const [, value] of makes) if (value.kind === "literal") used.add(String(value.value));
  }
  return false;
}

/** A random, well-typed program; deterministic in the state of `random`. */
export function randomProgram(random: Random, profile: Profile, heldOutSchema = false): Program {
  for (;;) {
    const { columns, ...program } = draw(random, profile, heldOutSchema);
    if (!hasDeadColumn(program.node, columns)) return program;
  }
}

function draw(
  random: Random,
  profile: Profile,
  heldOutSchema: boolean,
): Program & { columns: ScopeColumn[] } {
  const easy = profile === "quickstart";
  const joined = !easy && random.chance(0.25);
  const [minColumns, maxColumns] = easy ? [3, 5] : [3, 7];
  const schema = randomSchema(random, {
    minColumns,
    maxColumns,
    tables: joined ? (random.chance(0.3) ? 3 : 2) : 1,
    heldOut: heldOutSchema,
    simple: easy,
  });
  const [root] = schema.tables as [Table];
  const key = root.columns.find(({ role }) => role === "key");
  const state: State = {
    random,
    easy,
    node: { kind: "table", name: root.name },
    columns: root.columns.map((column) => ({ ...column, ofTable: root.name })),
    english: [],
    unique: key && [key.name],
    narrowed: new Set(),
  };
  const most = easy ? 3 : 5;
  const room = (): boolean => state.english.length < most;
  schema.relations.forEach((relation, i) => join(state, schema, relation, i + 1));
  if (random.chance(0.45)) filter(state);
  if (!easy && random.chance(0.15)) cleaning(state);
  if (random.chance(easy ? 0.25 : 0.35)) mutate(state, rowValue(random, state.columns, easy));
  if (!easy && random.chance(0.2)) mutate(state, windowValue(random, state.columns));
  const core = random.weighted([
    [35, "group"],
    [12, "aggregate"],
    [20, "select"],
    [6, "distinct"],
    [easy ? 4 : 10, "terminal"],
    [easy ? 0 : 6, "set"],
    [17, "none"],
  ] as const);
  let scalar = false;
  if (core === "group") {
    if (group(state) && random.chance(0.2) && room())
      filter(
        state,
        state.columns.filter((c) => isMeasure(c)),
      );
  } else if (core === "aggregate") scalar = aggregate(state);
  else if (core === "select") select(state);
  else if (core === "distinct") {
    select(state);
    distinct(state);
  } else if (core === "terminal") {
    terminal(state);
    scalar = true;
  } else if (core === "set") setOperation(state);
  if (!scalar && state.columns.length > 0 && room() && random.chance(0.4)) {
    order(state, state.unique !== undefined && random.chance(0.45));
  }
  if (state.english.length === 0) filter(state);
  if (state.english.length === 0) select(state);
  return { node: state.node, english: state.english, schema, columns: state.columns };
}
