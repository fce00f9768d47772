/** Columns and expressions as the steps of a program see them. */
import type { Random } from "../../../data/random.js";
import type { Range } from "./domains/parse.js";
import type { Column, Kind } from "./schemas.js";
import type { Node } from "./syntax.js";

/** A column in reach of the next step; `ofTable` while the root table still has it unchanged. */
export interface ScopeColumn extends Column {
  ofTable?: string;
  /** How a part of a nested column is reached; its name is that of the column, its label tells both. */
  node?: Node;
}

/** A well-typed expression, with the words for it and a name that suits its result. */
export interface Expression {
  node: Node;
  kind: Kind;
  english: string;
  name: string;
  /** What a number lies between, where that is known. */
  range?: Range;
  /** It gives several rows for one. */
  many?: boolean;
  neverNull?: boolean;
}

export type Condition = Pick<Expression, "node" | "english">;

export const isNumber = (kind: Kind): boolean => kind === "int" || kind === "float" || kind === "decimal";
export const isDate = (kind: Kind): boolean => kind === "date" || kind === "timestamp";
/** Compared with constants, sorted and counted as it is. */
export const isPlain = ({ kind }: Pick<Column, "kind">): boolean =>
  isNumber(kind) || isDate(kind) || kind === "str" || kind === "bool";
/** Of a type that only its own methods know what to do with. */
export const isSpecial = (column: Pick<Column, "kind">): boolean =>
  !isPlain(column) && column.kind !== "other";
/** A key is compared and counted, not added up. */
export const isKey = ({ role }: Pick<Column, "role">): boolean => role === "key" || role === "foreign";
export const isMeasure = (column: Column): boolean => isNumber(column.kind) && !isKey(column);
/** The address of a page. */
export const isAddress = ({ kind, values }: Pick<Column, "kind" | "values">): boolean =>
  kind === "str" && values[0]?.includes("://") === true;
/** Rows fall into few groups by it. */
export const isCategory = (column: Column): boolean =>
  column.kind === "bool" || (column.kind === "str" && column.values.length > 0);

/** A column as people speak of it. */
export const spoken = ({ name, label }: Pick<Column, "name" | "label">): string =>
  label ?? name.replaceAll("_", " ");
/** The start of the name of what is computed from the column. */
export const stem = (column: Pick<Column, "name" | "label">): string => spoken(column).replaceAll(" ", "_");

export function columnNode(column: Pick<ScopeColumn, "name" | "ofTable" | "node">): Node {
  if (column.node !== undefined) return column.node;
  return column.ofTable === undefined
    ? { kind: "column", name: column.name }
    : { kind: "column", name: column.name, ofTable: column.ofTable };
}

export function pickColumn<C extends Column>(
  random: Random,
  columns: readonly C[],
  test: (column: C) => boolean,
): C | undefined {
  const found = columns.filter(test);
  return found.length > 0 ? random.pick(found) : undefined;
}
