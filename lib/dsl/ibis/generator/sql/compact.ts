/**
 * Rewrites the SQL that Ibis prints (fully qualified, quoted, one subquery a step) into the SQL that a person would
 * have written for the same rows: shorter prompts, and closer to what users will paste. Only rewrites that keep the
 * result are made, and a statement of another form is left as it is, on one line.
 */
import type { Schema } from "../../../dsl.js";
import { lexSql, type SqlToken } from "../../../text/sql-lexer.js";
import { splitTopLevel, writeSql } from "../../../text/sql.js";
import { flatten } from "./flatten.js";
import { namedTables } from "./names.js";
import { allOf, isFilter, isStar, item, parseSelect, writeSelect, type Select } from "./select.js";
import { tidy } from "./tidy.js";
import { bare, isAlias, isWord, symbol } from "./tokens.js";

/** Names that must stay quoted in common dialects; all that DuckDB reserves are among them. */
const RESERVED = new Set(
  `all analyse analyze and any array as asc asymmetric between both by case cast check collate column constraint create
  cross default deferrable desc describe distinct do else end except exists false fetch for foreign from full group having
  in initially inner intersect into is join lambda lateral leading left like limit natural not null offset on only or order
  outer over partition pivot pivot_longer pivot_wider placing primary qualify references returning right select semi anti
  show some summarize symmetric table then to trailing true union unique unpivot user using values variadic when where
  window with`.split(/\s+/),
);

/** Words that one or the other of the dialects beside DuckDB's takes for its own. */
const RESERVED_ELSEWHERE = new Set(
  `current date day float groups hour index int interval key keys lag lead level minute month number percent pivot plan
  position quarter rank row row_number rows second size string text time timestamp top type value year`.split(
    /\s+/,
  ),
);

/** Dialects in which a name without quotes is another one: in capitals. */
const FOLDS_NAMES = new Set(["snowflake", "oracle", "exasol"]);

/** Names without the quotes that they do not need in the dialect. */
const unquoter =
  (dialect: string) =>
  (token: SqlToken): SqlToken => {
    if (token.kind !== "quoted") return token;
    const name = token.text.slice(1, -1);
    // Ibis's own names of tables are the same ones in any case.
    if (FOLDS_NAMES.has(dialect)) return /^t\d+$/.test(name) ? { ...token, kind: "word", text: name } : token;
    const isFree = dialect === "duckdb" || !RESERVED_ELSEWHERE.has(name);
    return isFree && /^[a-z_][a-z0-9_]*$/.test(name) && !RESERVED.has(name)
      ? { ...token, kind: "word", text: name }
      : token;
  };

/** Drops `t0.` and `AS t0`; only sound where each scope has one source. */
function dropAliases(tokens: readonly SqlToken[]): SqlToken[] {
  const out: SqlToken[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as SqlToken;
    if (isAlias(token) && tokens[i + 1]?.text === ".") i++;
    else if (isWord(token, "AS") && isAlias(tokens[i + 1])) i++;
    else out.push(token);
  }
  return out;
}

/** Ibis names an unnamed result after its expression: `AS "CountStar(orders)"`. */
function dropComputedNames(tokens: readonly SqlToken[]): SqlToken[] {
  const named = (token: SqlToken | undefined): boolean => token?.kind === "quoted" && /[()]/.test(token.text);
  const uses = new Map<string, number>();
  for (const token of tokens) if (named(token)) uses.set(token.text, (uses.get(token.text) ?? 0) + 1);
  return tokens.filter((token, i) => {
    const single = (t: SqlToken | undefined): boolean =>
      t !== undefined && named(t) && uses.get(t.text) === 1;
    return !(isWord(token, "AS") && single(tokens[i + 1])) && !(isWord(tokens[i - 1], "AS") && single(token));
  });
}

/** Folds the subquery into its outer SELECT where that keeps the rows; the innermost first. */
function fold(outer: Select, schema: Schema): Select {
  if (Array.isArray(outer.from)) return star(outer, outer.from, schema);
  const inner = fold(outer.from, schema);
  if (isFilter(inner)) {
    const where = allOf(inner.where, outer.where);
    const folded: Select = { ...outer, from: inner.from };
    if (where) folded.where = where;
    return Array.isArray(folded.from) ? star(folded, folded.from, schema) : folded;
  }
  const innerIsOpen = !inner.orderBy && !inner.limit;
  if (isStar(outer) && !outer.distinct && !outer.groupBy && !outer.qualify && innerIsOpen) {
    const having = outer.where === undefined ? undefined : toHaving(outer.where, inner);
    if (outer.where === undefined || having !== undefined) {
      const folded: Select = { ...inner };
      if (having !== undefined) folded.having = having;
      if (outer.orderBy) folded.orderBy = outer.orderBy;
      if (outer.limit) folded.limit = outer.limit;
      return folded;
    }
  }
  return { ...outer, from: inner };
}

/** A condition on the result of a GROUP BY, over its aggregates. */
function toHaving(condition: readonly SqlToken[], grouped: Select): SqlToken[] | undefined {
  if (!grouped.groupBy || grouped.having || grouped.qualify || grouped.distinct) return undefined;
  const byName = new Map(grouped.items.map((tokens) => [item(tokens).name, item(tokens).expression]));
  const out: SqlToken[] = [];
  for (const token of condition) {
    const expression = byName.get(token.text);
    const isCall =
      /^[A-Z_]+\(.*\)$/.test(writeSql(expression ?? [])) &&
      splitTopLevel(expression ?? [], (t) => t.kind === "symbol" && /^[-+*/]$/.test(t.text)).length === 1;
    if (expression !== undefined && expression.length > 1 && !isCall) return undefined;
    out.push(...(expression ?? [token]));
  }
  return out;
}

/**
 * `SELECT a, b, c, f(a) AS x FROM t`, where t has just a, b, c, is `SELECT *, f(a) AS x FROM t`. Where there are these
 * columns alone, the program named them: Ibis prints a star else.
 */
function star(select: Select, from: readonly SqlToken[], schema: Schema): Select {
  const table = from.length === 1 ? bare(from[0] as SqlToken) : undefined;
  const columns = Object.keys((table !== undefined ? schema[table] : undefined) ?? {});
  const names = select.items.map((tokens) => (tokens.length === 1 ? bare(tokens[0] as SqlToken) : undefined));
  const isMore = columns.length > 0 && names.length > columns.length;
  const isAll = isMore && columns.every((column, i) => names[i] === column);
  if (!isAll || select.groupBy) return select;
  return { ...select, items: [[symbol("*")], ...select.items.slice(columns.length)] };
}

/**
 * `sql` as Ibis printed it for tables of `schema`, without what a reader does not need: one subquery a step as it was, and
 * compact. Where two tables are in reach of one condition, Ibis's names of tables tell their columns apart.
 */
export function readableTokens(
  sql: string,
  schema: Schema,
  dialect = "duckdb",
): { stepwise: SqlToken[]; compact: SqlToken[] } {
  const quoted = lexSql(sql, dialect).map(unquoter(dialect));
  // Some dialects want a name for what is computed in a subquery.
  const plain = tidy(dialect === "duckdb" ? dropComputedNames(quoted) : quoted);
  const joins = plain.some((token) => isWord(token, "JOIN", "EXISTS"));
  if (joins) return { stepwise: plain, compact: flatten(plain, schema) ?? plain };
  const stepwise = dropAliases(plain);
  return { stepwise, compact: compactQuery(stepwise, schema) ?? stepwise };
}

/** `sql` as Ibis printed it for tables of `schema`, on one line and without what a reader does not need. */
export const compactSql = (sql: string, schema: Schema, dialect = "duckdb"): string =>
  writeSql(namedTables(readableTokens(sql, schema, dialect).compact));

const isSetOperation = (token: SqlToken): boolean =>
  token.kind === "word" && /^(UNION|EXCEPT|INTERSECT)$/.test(token.text);

/** A plain SELECT, or set operations between such; undefined for all else. */
function compactQuery(tokens: readonly SqlToken[], schema: Schema): SqlToken[] | undefined {
  const operations: SqlToken[] = [];
  const parts = splitTopLevel(tokens, (token) => {
    if (isSetOperation(token)) operations.push(token);
    return isSetOperation(token);
  });
  const out: SqlToken[] = [];
  for (const [i, part] of parts.entries()) {
    const all = isWord(part[0], "ALL") ? part.slice(0, 1) : [];
    const select = parseSelect(part.slice(all.length));
    if (select === undefined) return undefined;
    const folded = fold(select, schema);
    // `SELECT * FROM (SELECT …)`, as Ibis prints each side.
    const { distinct, where, groupBy, qualify, orderBy, limit } = folded;
    const isWhole = isStar(folded) && !(distinct || where || groupBy || qualify || orderBy || limit);
    const side = parts.length > 1 && isWhole && !Array.isArray(folded.from) ? folded.from : folded;
    if (parts.length > 1 && (side.orderBy ?? side.limit) !== undefined) return undefined;
    out.push(...operations.slice(i - 1, i), ...all, ...writeSelect(side));
  }
  return out;
}
