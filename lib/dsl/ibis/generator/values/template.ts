/**
 * Expressions over one column or two, as a table: the members of the API that they call, the kind of column, the text, the
 * kind of the result, the end of its name, the words for it. `{x}` is the column, `{y}` another of its kind and role, `{u}` the
 * key of the rows, `{g}` a category, `{v}` a value that the column, or an item of it, may have, `{k}` a key of a map or a
 * document, `{c}` the column's name, for functions of the table that constants begin, `{n}` a small number, `{piece}` a few letters; text in quotes follows the program's style. `same` as the kind of a
 * result is that of `{x}`.
 */
import type { Kind } from "../schemas.js";
import { isAddress, isKey, isNumber, isPlain, type ScopeColumn } from "../scope.js";

export interface ValueTemplate {
  covers: readonly string[];
  on: (column: ScopeColumn) => boolean;
  code: string;
  returns: Kind | "same";
  suffix: string;
  english: string;
  /** What it gives is never NULL. */
  neverNull: boolean;
  /** Where Ibis has a rule for it, if not in DuckDB. */
  dialects?: readonly string[];
}

const of =
  (...kinds: readonly Kind[]) =>
  ({ kind }: ScopeColumn): boolean =>
    kinds.includes(kind);

/** What a template may be on. */
const SUBJECTS: Readonly<Record<string, (column: ScopeColumn) => boolean>> = {
  str: of("str"),
  /** A text with known values. */
  cat: ({ kind, values }) => kind === "str" && values.length > 0,
  url: isAddress,
  num: ({ kind }) => isNumber(kind),
  money: of("decimal"),
  real: of("float"),
  reals: of("int", "float"),
  int: of("int"),
  /** A whole number that counts something. */
  count: (column) => column.kind === "int" && !isKey(column),
  bool: of("bool"),
  date: of("date"),
  ts: of("timestamp"),
  day: of("date", "timestamp"),
  time: of("time"),
  inst: of("instant"),
  strs: of("strs"),
  ints: of("ints"),
  list: of("strs", "ints"),
  map: of("map"),
  struct: of("struct"),
  json: of("json"),
  uuid: of("uuid"),
  bytes: of("bytes"),
  any: isPlain,
  odd: of("strs", "ints", "map", "json", "struct", "time", "instant", "uuid", "bytes"),
};

/** Of what is never NULL they say nothing. */
const ASKS_NULL = /\{x\}\.(?:isnull|notnull|fill_null|coalesce)\(|ibis\.coalesce\(\{x\}/;

/** Counts and ranks: of no rows there is 0, and every row has a place. */
const COUNTS =
  /^\{x\}\.(?:count|nunique|approx_nunique|rank|dense_rank|percent_rank|cume_dist)\([^()]*\)(?:\.over\([^()]*\))?$/;

/**
 * With `dialects` for those alone.
 * @throws Error naming the line that is not as the notation has it
 */
export function parseTemplates(table: string, dialects?: readonly string[]): readonly ValueTemplate[] {
  return table
    .trim()
    .split("\n")
    .map((line) => {
      // Bars in the text are part of it.
      const cells = ` ${line}`.split(" | ").map((cell) => cell.trim());
      const [covers = "", subject = ""] = cells;
      const [returns = "", suffix = "", english = ""] = cells.slice(-3);
      const on = SUBJECTS[subject];
      if (cells.length < 6 || on === undefined) throw new Error(`${line}: not a template`);
      const code = cells.slice(2, -3).join(" | ");
      const suits = (column: ScopeColumn): boolean => column.neverNull !== true && on(column);
      return {
        covers: covers.split(" ").filter((member) => member !== ""),
        on: ASKS_NULL.test(code) ? suits : on,
        code,
        returns: returns as Kind,
        suffix,
        english,
        neverNull: COUNTS.test(code),
        ...(dialects === undefined ? {} : { dialects }),
      };
    });
}
