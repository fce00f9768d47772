/** A program while its steps are drawn: what it is so far, the columns in reach of the next step, the words for it. */
import type { Random } from "../../../../data/random.js";
import type { Clause, Computed } from "../questions/clauses.js";
import type { RandomSchema } from "../schemas.js";
import { spoken, type Expression, type ScopeColumn } from "../scope.js";
import { call, type Node } from "../syntax.js";

export interface State {
  random: Random;
  easy: boolean;
  /** Of the SQL that the program is for; undefined for DuckDB's. */
  dialect?: string | undefined;
  /** It is no answer: see `ProgramOptions`. */
  shown: boolean;
  node: Node;
  columns: ScopeColumn[];
  /** What the steps do, in their order. */
  clauses: Clause[];
  schema: RandomSchema;
  /** Columns that no two rows share together, where that is known: an order by them leaves nothing open. */
  unique: readonly string[] | undefined;
  /** Columns that a filter has narrowed: another condition on them may leave no row. */
  narrowed: Set<string>;
}

export const newColumn = (expression: Expression): ScopeColumn => ({
  name: expression.name,
  kind: expression.kind,
  type: expression.kind,
  values: [],
  ...(expression.range === undefined ? {} : { range: expression.range }),
  ...(expression.neverNull === true ? { neverNull: true } : {}),
});

/** Strings born of an expression have no plausible literals: they are left out of conditions. */
export const comparable = (columns: readonly ScopeColumn[]): ScopeColumn[] =>
  columns.filter(({ kind, role }) => kind !== "other" && (kind !== "str" || role !== undefined));

/** Says what a step does; a text is in the imperative. */
export function said(state: State, clause: Clause | string): void {
  state.clauses.push(typeof clause === "string" ? { kind: "other", text: clause } : clause);
}

export const computed = ({ english, name }: Expression): Computed => ({ english, name });

export function step(
  state: State,
  name: string,
  args: Node[],
  clause: Clause | string,
  named: [string, Node][] = [],
): void {
  state.node = call(state.node, name, args, named);
  said(state, clause);
}

export const spokenAll = (columns: readonly ScopeColumn[]): string[] => columns.map(spoken);
export const listed = (columns: readonly ScopeColumn[]): string => spokenAll(columns).join(" and ");

/** The new columns' names are fresh, so that no answer hangs on which of two columns is meant. */
export function fresh(state: State, expression: Expression | undefined): expression is Expression {
  return expression !== undefined && !state.columns.some((column) => column.name === expression.name);
}

export function withoutTable(column: ScopeColumn): ScopeColumn {
  const { ofTable: _, ...rest } = column;
  return rest;
}

/** A column that an outer join fills with NULL where no row matches. */
export function nullable(column: ScopeColumn): ScopeColumn {
  const { neverNull: _, ...rest } = column;
  return rest;
}

/** What of the unique columns is left when only `kept` are. */
export const stillUnique = (state: State, kept: readonly ScopeColumn[]): readonly string[] | undefined =>
  state.unique?.every((name) => kept.some((column) => column.name === name)) === true
    ? state.unique
    : undefined;
