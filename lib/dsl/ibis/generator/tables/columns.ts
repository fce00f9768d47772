/** Steps that choose, add, name, order and clean columns. */
import { literalFor } from "../literals.js";
import {
  isAddress,
  isMeasure,
  isNumber,
  isPlain,
  pickColumn,
  spoken,
  type Expression,
  type ScopeColumn,
} from "../scope.js";
import { call, keyOf, listOf, literal, mapping, nameOf } from "../syntax.js";
import { fromTemplates } from "../templates.js";
import { DIALECT_TEMPLATES } from "../values/index.js";
import {
  computed,
  fresh,
  newColumn,
  nullable,
  step,
  stillUnique,
  withoutTable,
  type State,
} from "./state.js";

export function mutate(state: State, expression: Expression | undefined): void {
  if (!fresh(state, expression)) return;
  step(state, "mutate", [], { kind: "add", value: computed(expression) }, [
    [expression.name, expression.node],
  ]);
  state.columns = [...state.columns.map(withoutTable), newColumn(expression)];
  if (expression.many === true) state.unique = undefined;
}

export function select(state: State): void {
  const kept = state.random.sample(state.columns, state.random.between(1, Math.min(3, state.columns.length)));
  step(state, "select", kept.map(keyOf), { kind: "select", columns: kept.map(spoken) });
  state.unique = stillUnique(state, kept);
  state.columns = kept;
}

/** Steps that make a raw table ready. */
export function cleaning(state: State): void {
  const column = pickColumn(state.random, state.columns, (c) => c.kind === "str" || isMeasure(c));
  if (column === undefined) return;
  const form = state.random.weighted([
    [4, dropNull],
    [4, drop],
    [4, rename],
    [3, fillNull],
    [2, cast],
    [0.6, tryCast],
    [2, relocate],
    [1, unnest],
    [1, unpack],
  ] as const);
  if (!form(state, column)) rename(state, column);
}

type Cleaning = (state: State, column: ScopeColumn) => boolean;

const dropNull: Cleaning = (state, column) => {
  if (column.neverNull === true) return false;
  const other = pickColumn(
    state.random,
    state.columns,
    (c) => c !== column && isPlain(c) && c.neverNull !== true,
  );
  const certain = (some: readonly ScopeColumn[]): ScopeColumn[] =>
    state.columns.map((c) => (some.includes(c) ? { ...c, neverNull: true } : c));
  if (other === undefined || state.random.chance(0.6)) {
    step(state, "drop_null", [nameOf(column.name)], `drop rows where ${spoken(column)} is null`);
    state.columns = certain([column]);
    return true;
  }
  const any = state.random.chance(0.5);
  const both = listOf([column, other].map(({ name }) => nameOf(name)));
  const text = any
    ? `drop rows where ${spoken(column)} or ${spoken(other)} is null`
    : `drop rows where both ${spoken(column)} and ${spoken(other)} are null`;
  step(state, "drop_null", [both], text, any ? [] : [["how", literal("all")]]);
  if (any) state.columns = certain([column, other]);
  return true;
};

const drop: Cleaning = (state, column) => {
  if (state.columns.length <= 2) return false;
  step(state, "drop", [nameOf(column.name)], `drop the column ${spoken(column)}`);
  state.columns = state.columns.filter((c) => c !== column);
  state.unique = stillUnique(state, state.columns);
  return true;
};

const rename: Cleaning = (state, column) => {
  const label = `${state.random.pick(["new", "base", "main", "raw"])} ${spoken(column)}`;
  const name = label.replaceAll(" ", "_");
  if (state.columns.some((c) => c.name === name)) return false;
  step(state, "rename", [], `rename ${spoken(column)} to ${label}`, [[name, literal(column.name)]]);
  const renamed = (c: ScopeColumn): ScopeColumn =>
    c === column ? { ...withoutTable(c), name, label } : withoutTable(c);
  state.columns = state.columns.map(renamed);
  state.unique = stillUnique(state, state.columns);
  return true;
};

const fillNull: Cleaning = (state, column) => {
  if (column.neverNull === true || (column.kind === "str" && column.values.length === 0)) return false;
  const value = column.kind === "str" ? literalFor(state.random, column) : 0;
  const text = `fill missing ${spoken(column)} with ${typeof value === "string" ? `"${value}"` : value}`;
  step(state, "fill_null", [mapping([[column.name, literal(value)]])], text);
  state.columns = state.columns.map((c) => withoutTable(c === column ? { ...c, neverNull: true } : c));
  return true;
};

const CASTS = { int: ["float64", "float"], float: ["int64", "int"], decimal: ["float64", "float"] } as const;

const cast: Cleaning = (state) => {
  const column = pickColumn(state.random, state.columns, (c) => isMeasure(c) && isNumber(c.kind));
  if (column === undefined) return false;
  const [type, kind] = CASTS[column.kind as keyof typeof CASTS];
  const types = mapping([[column.name, literal(type)]]);
  const form = !state.easy && state.random.chance(0.25) ? call(null, "schema", [types]) : types;
  step(state, "cast", [form], `convert ${spoken(column)} to ${type}`);
  state.columns = state.columns.map((c) =>
    c === column ? { ...withoutTable(c), kind, type } : withoutTable(c),
  );
  return true;
};

/** Texts that may be numbers. */
const tryCast: Cleaning = (state, column) => {
  if (column.kind !== "str") return false;
  const text = `convert ${spoken(column)} to int64, with null where it is no number`;
  step(state, "try_cast", [mapping([[column.name, literal("int64")]])], text);
  state.columns = state.columns.map((c) => {
    if (c !== column) return withoutTable(c);
    const { role: _, ...rest } = nullable(withoutTable(c));
    return { ...rest, kind: "int", type: "int64", values: [] };
  });
  return true;
};

const relocate: Cleaning = (state, column) => {
  const [first] = state.columns;
  const other = pickColumn(state.random, state.columns, (c) => c !== column);
  if (other === undefined || first === column) return false;
  const where = state.random.pick(["before", "after"] as const);
  const front = state.random.chance(0.4);
  const text = front
    ? `move ${spoken(column)} to the front`
    : `move ${spoken(column)} ${where} ${spoken(other)}`;
  step(state, "relocate", [nameOf(column.name)], text, front ? [] : [[where, literal(other.name)]]);
  const rest = state.columns.filter((c) => c !== column);
  const at = front ? 0 : rest.indexOf(other) + (where === "after" ? 1 : 0);
  state.columns = [...rest.slice(0, at), column, ...rest.slice(at)].map(withoutTable);
  return true;
};

/** A row for each item of an array. */
const unnest: Cleaning = (state) => {
  const column = pickColumn(state.random, state.columns, ({ type }) =>
    /^array<(string|int64|float64)>$/.test(type),
  );
  if (column === undefined) return false;
  step(state, "unnest", [literal(column.name)], `make a row of each of the ${spoken(column)}`);
  state.columns = state.columns.filter((c) => c !== column).map(withoutTable);
  state.unique = undefined;
  return true;
};

/** The parts of a struct as columns of their own. */
const unpack: Cleaning = (state) => {
  const column = pickColumn(state.random, state.columns, ({ kind }) => kind === "struct");
  const parts = column?.parts ?? [];
  const taken = state.columns.map(({ name }) => name);
  if (column === undefined || parts.some(({ name }) => taken.includes(name))) return false;
  step(state, "unpack", [literal(column.name)], `make a column of each part of the ${spoken(column)}`);
  state.columns = [
    ...state.columns.filter((c) => c !== column).map(withoutTable),
    ...parts.map((part): ScopeColumn => ({ ...part, label: `${spoken(column)} ${spoken(part)}` })),
  ];
  return true;
};

/** A value that only some dialects can compute. */
export function ofDialect(state: State): boolean {
  const { dialect } = state;
  if (dialect === undefined) return false;
  const templates = DIALECT_TEMPLATES.filter(({ dialects }) => dialects?.includes(dialect) === true);
  const addresses = state.columns.filter(isAddress);
  const columns = addresses.length > 0 ? addresses : state.columns;
  mutate(state, fromTemplates(state.random, templates, columns));
  return true;
}
