import type { Random } from "../../../data/random.js";
import {
  condition,
  isNumber,
  pickColumn,
  reduction,
  rowValue,
  windowValue,
  words,
  type Expression,
  type ScopeColumn,
} from "./expressions.js";
import { randomSchema, type RandomSchema, type Table } from "./schemas.js";
import { binary, call, chainOf, literal, nameOf, write, type Node } from "./syntax.js";

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
}

const newColumn = (expression: Expression): ScopeColumn => ({
  name: expression.name,
  kind: expression.kind,
  type: expression.kind,
  values: [],
});

/** Strings born of an expression have no plausible literals: they are left out of conditions. */
const comparable = (columns: readonly ScopeColumn[]): ScopeColumn[] =>
  columns.filter((column) => column.kind !== "str" || column.values.length > 0);

function step(state: State, name: string, args: Node[], english: string, named: [string, Node][] = []): void {
  state.node = call(state.node, name, args, named);
  state.english.push(english);
}

const listed = (names: readonly string[]): string => names.map(words).join(" and ");

function filter(state: State, columns: readonly ScopeColumn[] = state.columns): void {
  const usable = comparable(columns);
  if (usable.length === 0) return;
  const conditions = [condition(state.random, usable, state.easy)];
  if (state.random.chance(0.12)) conditions.push(condition(state.random, usable, true));
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

const withoutTable = ({ name, kind, type, values }: ScopeColumn): ScopeColumn => ({
  name,
  kind,
  type,
  values,
});

function select(state: State): void {
  const kept = state.random.sample(state.columns, state.random.between(1, Math.min(3, state.columns.length)));
  step(
    state,
    "select",
    kept.map((c) => nameOf(c.name)),
    `select ${listed(kept.map((c) => c.name))}`,
  );
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
  const isKey = (c: ScopeColumn): boolean =>
    c.kind === "str" || c.kind === "bool" || (c.kind === "int" && !/id$/.test(c.name));
  const strings = state.columns.filter((c) => c.kind === "str");
  const pool = strings.length > 0 && state.random.chance(0.75) ? strings : state.columns.filter(isKey);
  if (pool.length === 0) return false;
  const keys = state.random.sample(pool, state.random.chance(0.8) ? 1 : 2);
  const values = state.columns.filter((c) => !keys.includes(c));
  const found = aggregates(state, values.length > 0 ? values : state.columns);
  if (found.length === 0) return false;
  const grouped = call(
    state.node,
    "group_by",
    keys.map((c) => nameOf(c.name)),
  );
  state.node = call(
    grouped,
    "agg",
    [],
    found.map((e) => [e.name, e.node]),
  );
  state.english.push(
    `compute ${found.map((e) => `${e.english} as ${e.name}`).join(" and ")} for each ${listed(keys.map((c) => c.name))}`,
  );
  state.columns = [...keys.map(withoutTable), ...found.map(newColumn)];
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

function order(state: State): void {
  const column = state.random.pick(state.columns);
  const down = state.random.chance(0.5);
  const key: Node = down ? call(null, "desc", [nameOf(column.name)]) : nameOf(column.name);
  step(state, "order_by", [key], `sort by ${words(column.name)}${down ? " in descending order" : ""}`);
}

function limit(state: State): void {
  const count = state.random.pick([1, 3, 5, 10, 20, 50, 100]);
  step(state, "limit", [literal(count)], `take the first ${count} rows`);
}

function distinct(state: State): void {
  step(state, "distinct", [], "drop duplicate rows");
}

function join(state: State, right: Table): void {
  const left = state.columns;
  const key = left.find((c) => right.columns.some((other) => other.name === c.name));
  if (key === undefined) return;
  const how = state.random.weighted([
    [5, "inner"],
    [3, "left"],
    [1, "semi"],
    [1, "anti"],
  ] as const);
  const named: [string, Node][] = how === "left" ? [["how", literal("left")]] : [];
  const method = how === "semi" || how === "anti" ? `${how}_join` : "join";
  const of = (table: string): Node => ({ kind: "column", name: key.name, ofTable: table, always: true });
  const predicate =
    key.ofTable === undefined || state.random.chance(0.75)
      ? nameOf(key.name)
      : binary("==", of(key.ofTable), of(right.name));
  const verb = {
    inner: "join",
    left: "left join",
    semi: "keep rows that match",
    anti: "keep rows that match none of",
  };
  step(
    state,
    method,
    [{ kind: "table", name: right.name }, predicate],
    `${verb[how]} ${right.name} on ${words(key.name)}`,
    named,
  );
  const gained = method === "join" ? right.columns.filter((c) => c.name !== key.name) : [];
  state.columns = [...left.map(withoutTable), ...gained];
}

function cleaning(state: State): void {
  const column = pickColumn(state.random, state.columns, (c) => c.kind === "str" || isNumber(c.kind));
  const form = state.random.below(3);
  if (column === undefined) return;
  if (form === 0) {
    step(state, "drop_null", [nameOf(column.name)], `drop rows where ${words(column.name)} is null`);
  } else if (form === 1 && state.columns.length > 2) {
    step(state, "drop", [nameOf(column.name)], `drop the column ${words(column.name)}`);
    state.columns = state.columns.filter((c) => c !== column);
  } else {
    const name = `${column.name}_new`;
    step(state, "rename", [], `rename ${column.name} to ${name}`, [[name, literal(column.name)]]);
    state.columns = state.columns.map((c) => (c === column ? { ...withoutTable(c), name } : withoutTable(c)));
  }
}

/** Steps that end a program: counts of rows and of values. */
function terminal(state: State): void {
  const { random } = state;
  const column = pickColumn(random, state.columns, (c) => c.kind === "str" || c.kind === "int");
  if (column === undefined || random.chance(0.3)) {
    step(state, "count", [], "count the rows");
    return;
  }
  const name = words(column.name);
  state.node = call(state.node, "select", [nameOf(column.name)]);
  const form = random.below(3);
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
  const other: State = { ...state, english: [] };
  filter(other, [column]);
  const named: [string, Node][] = name === "union" && random.chance(0.5) ? [["distinct", literal(true)]] : [];
  filter(state, comparable(state.columns));
  step(
    state,
    name,
    [other.node],
    `${english} the rows where ${(other.english[0] ?? "").replace("keep rows where ", "")}`,
    named,
  );
}

/** Whether a column is computed and then neither used nor kept: its SQL would not say that it ever was. */
function hasDeadColumn(program: Node, kept: readonly ScopeColumn[]): boolean {
  const steps = chainOf(program);
  return steps.some((one, i) => {
    if (one.name !== "mutate" && one.name !== "rename") return false;
    const later = steps.slice(i + 1).map((next) => write({ ...next, target: { kind: "self" } }));
    return one.named.some(
      ([name]) => !kept.some((c) => c.name === name) && !later.some((text) => text.includes(name)),
    );
  });
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
    tables: joined ? 2 : 1,
    heldOut: heldOutSchema,
  });
  const [root, right] = schema.tables as [Table, Table | undefined];
  const state: State = {
    random,
    easy,
    node: { kind: "table", name: root.name },
    columns: root.columns.map((column) => ({ ...column, ofTable: root.name })),
    english: [],
  };
  const most = easy ? 3 : 5;
  const room = (): boolean => state.english.length < most;
  if (right !== undefined) join(state, right);
  if (random.chance(0.45)) filter(state);
  if (!easy && random.chance(0.15)) cleaning(state);
  if (random.chance(0.25)) mutate(state, rowValue(random, state.columns, easy));
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
        state.columns.filter((c) => isNumber(c.kind)),
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
    order(state);
    if (room() && random.chance(0.45)) limit(state);
  }
  if (state.english.length === 0) filter(state);
  if (state.english.length === 0) select(state);
  return { node: state.node, english: state.english, schema, columns: state.columns };
}
