/**
 * SQL as people write it for what Ibis prints: compact, in lower case, with its subqueries named above it, with EXISTS or
 * IN for the joins that only keep rows. Every text is made of the compiler's alone, so that an audit makes them again.
 */
import type { Schema } from "../../../dsl.js";
import { lexSql, type SqlToken } from "../../../text/sql-lexer.js";
import { splitTopLevel, writeSql } from "../../../text/sql.js";
import { readableTokens } from "./compact.js";
import { conditionOf } from "./conditions.js";
import { byComma, usingColumns } from "./joins.js";
import { namedTables } from "./names.js";
import { parseSelect, writeSelect } from "./select.js";
import { closing, isAlias, isWord, symbol, word } from "./tokens.js";

export type SqlForm =
  "compact" | "plain alias" | "using" | "comma" | "cte" | "exists" | "in" | "qualify" | "lower" | "compiler";

export interface WrittenSql {
  form: SqlForm;
  text: string;
}

/** Dialects in which functions have one case. */
const CASED = new Set(["clickhouse", "bigquery"]);
const NO_USING = new Set(["mssql"]);
const QUALIFIES = new Set(["duckdb", "snowflake", "bigquery", "databricks"]);

/** What a step of a query is called by what it does. */
function stepName(tokens: readonly SqlToken[]): string {
  const has = (...words: string[]): boolean => tokens.some((token) => isWord(token, ...words));
  if (has("GROUP")) return "totals";
  if (has("OVER")) return "ranked";
  if (has("JOIN")) return "joined";
  if (has("DISTINCT")) return "uniques";
  if (has("WHERE")) return "filtered";
  return "base";
}

/** Every `FROM (SELECT …)` by a name above the statement, the innermost first; undefined where there is none. */
function withCtes(tokens: readonly SqlToken[]): SqlToken[] | undefined {
  const taken = new Set(tokens.map(({ text }) => text));
  const ctes: [string, SqlToken[]][] = [];
  const lift = (some: readonly SqlToken[]): SqlToken[] => {
    const out: SqlToken[] = [];
    for (let i = 0; i < some.length; i++) {
      const token = some[i] as SqlToken;
      const isTable = isWord(some[i - 1], "FROM", "JOIN") && isWord(some[i + 1], "SELECT");
      if (token.text !== "(" || !isTable) {
        out.push(token);
        continue;
      }
      const end = closing(some, i);
      const body = lift(some.slice(i + 1, end));
      const alias = isWord(some[end + 1], "AS") && isAlias(some[end + 2]) ? some[end + 2] : undefined;
      const base = stepName(body);
      const name = [base, `${base}_rows`, `${base}_2`, `${base}_3`].find((one) => !taken.has(one)) ?? "";
      taken.add(name);
      ctes.push([name, body]);
      out.push(word(name), ...(alias === undefined ? [] : [word("AS"), alias]));
      i = alias === undefined ? end : end + 2;
    }
    return out;
  };
  const rest = lift(tokens);
  if (ctes.length === 0 || ctes.some(([name]) => name === "") || isWord(tokens[0], "WITH")) return undefined;
  const above = ctes.flatMap(([name, body], i) => [
    ...(i === 0 ? [] : [symbol(",")]),
    ...[word(name), word("AS"), symbol("("), ...body, symbol(")")],
  ]);
  return [word("WITH"), ...above, ...rest];
}

/** The names of tables without AS, and joins by their short names. */
function withoutAs(tokens: readonly SqlToken[]): SqlToken[] | undefined {
  const out = tokens.filter((token, i) => {
    if (isWord(token, "INNER") && isWord(tokens[i + 1], "JOIN")) return false;
    if (isWord(token, "OUTER") && isWord(tokens[i - 1], "LEFT", "RIGHT")) return false;
    return !(isWord(token, "AS") && isAlias(tokens[i + 1]) && tokens[i - 1]?.text !== ")");
  });
  return out.length === tokens.length ? undefined : out;
}

/** `SELECT * FROM (SELECT …, f() OVER (…) AS x FROM …) WHERE x < 3` with QUALIFY. */
function withQualify(tokens: readonly SqlToken[]): SqlToken[] | undefined {
  const outer = parseSelect(tokens);
  if (outer === undefined || Array.isArray(outer.from) || outer.where === undefined) return undefined;
  const inner = outer.from;
  const plain = writeSql(outer.items.flat()) === "*" && !(outer.distinct || outer.groupBy || outer.qualify);
  const windows = inner.items.filter((one) => one.some((token) => isWord(token, "OVER")));
  const names = windows.map((one) => one.at(-1)?.text);
  const isOpen = !(inner.distinct || inner.groupBy || inner.qualify || inner.orderBy || inner.limit);
  const conditions = splitTopLevel(outer.where, (token) => isWord(token, "AND"));
  const ofWindow = conditions.every((one) => one.some(({ text }) => names.includes(text)));
  if (!plain || !isOpen || windows.length === 0 || !ofWindow) return undefined;
  const own = outer.alias;
  const strip = (some: readonly SqlToken[]): SqlToken[] =>
    some.filter((token, i) => token.text !== own && !(token.text === "." && some[i - 1]?.text === own));
  return writeSelect({
    ...inner,
    qualify: strip(outer.where),
    ...(outer.orderBy === undefined ? {} : { orderBy: strip(outer.orderBy) }),
    ...(outer.limit === undefined ? {} : { limit: outer.limit }),
  });
}

/** Keywords and functions in lower case; what is written in another case stays. */
export function inLowerCase(sql: string, dialect: string): string {
  let out = "";
  let end = 0;
  for (const { start = end, kind, text } of lexSql(sql, dialect)) {
    const isShouted = kind === "word" && text === text.toUpperCase();
    out += sql.slice(end, start) + (isShouted ? text.toLowerCase() : text);
    end = start + text.length;
  }
  return out;
}

/**
 * The forms of the SQL that Ibis printed for tables of `schema`, no two of one text; the first is the compact one, the
 * last the compiler's own on one line.
 */
export function sqlForms(sql: string, schema: Schema, dialect = "duckdb"): WrittenSql[] {
  const { compact, stepwise } = readableTokens(sql, schema, dialect);
  const found: WrittenSql[] = [{ form: "compact", text: writeSql(namedTables(compact)) }];
  const add = (form: SqlForm, text: string | undefined): void => {
    if (text !== undefined && found.every((one) => one.text !== text)) found.push({ form, text });
  };
  const plain = withoutAs(compact) ?? compact;
  const forms: readonly (readonly [SqlForm, SqlToken[] | undefined])[] = [
    ["plain alias", withoutAs(compact)],
    ["using", NO_USING.has(dialect) ? undefined : usingColumns(compact, schema)],
    ["comma", byComma(compact)],
    ["cte", withCtes(stepwise)],
    ["exists", conditionOf(plain, "exists")],
    ["in", conditionOf(plain, "in")],
    ["qualify", QUALIFIES.has(dialect) ? withQualify(compact) : undefined],
  ];
  for (const [form, tokens] of forms) add(form, tokens && writeSql(namedTables(tokens)));
  if (!CASED.has(dialect)) for (const { text } of [...found]) add("lower", inLowerCase(text, dialect));
  add("compiler", writeSql(lexSql(sql, dialect)));
  return found;
}
