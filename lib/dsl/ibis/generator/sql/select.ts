/** A SELECT statement in its clauses. */
import type { SqlToken } from "../../../text/sql-lexer.js";
import { splitTopLevel, writeSql } from "../../../text/sql.js";
import { isAlias, isWord, joinedBy, symbol, word } from "./tokens.js";

export interface Select {
  distinct: boolean;
  items: SqlToken[][];
  /** Tables as they stand, or a subquery. */
  from: SqlToken[] | Select;
  /** What a subquery in `from` is called. */
  alias?: string;
  where?: SqlToken[];
  groupBy?: SqlToken[];
  having?: SqlToken[];
  qualify?: SqlToken[];
  orderBy?: SqlToken[];
  limit?: SqlToken[];
}

const CLAUSES = ["FROM", "WHERE", "GROUP", "HAVING", "QUALIFY", "ORDER", "LIMIT"] as const;

/** The clauses of a plain SELECT; undefined for set operations and all else. */
export function parseSelect(tokens: readonly SqlToken[]): Select | undefined {
  if (!isWord(tokens[0], "SELECT")) return undefined;
  const isClause = (token: SqlToken): boolean =>
    token.kind === "word" && (CLAUSES as readonly string[]).includes(token.text);
  const heads: string[] = [];
  const parts = splitTopLevel(tokens.slice(1), (token) => {
    if (isClause(token)) heads.push(token.text);
    return isClause(token);
  });
  if (tokens.some((token) => /^(UNION|EXCEPT|INTERSECT|EXCLUDE|TOP|FETCH)$/.test(token.text)))
    return undefined;
  if (heads[0] !== "FROM" || new Set(heads).size !== heads.length) return undefined;
  // An offset belongs to what it follows, which must be the end.
  const skips = (part: readonly SqlToken[]): boolean =>
    splitTopLevel(part, (token) => isWord(token, "OFFSET")).length > 1;
  if (heads.some((head, i) => head !== "ORDER" && head !== "LIMIT" && skips(parts[i + 1] ?? [])))
    return undefined;
  const clause = (name: string): SqlToken[] | undefined => {
    const at = heads.indexOf(name);
    if (at < 0) return undefined;
    const body = parts[at + 1] as SqlToken[];
    return name === "GROUP" || name === "ORDER" ? body.slice(1) : body;
  };
  const from = clause("FROM") as SqlToken[];
  const isNamed = isWord(from.at(-2), "AS") && isAlias(from.at(-1));
  const source = isNamed ? from.slice(0, -2) : from;
  const isSubquery = source[0]?.text === "(" && source.at(-1)?.text === ")";
  const inner = isSubquery ? parseSelect(source.slice(1, -1)) : undefined;
  const head = parts[0] as SqlToken[];
  const distinct = isWord(head[0], "DISTINCT");
  const items = splitTopLevel(distinct ? head.slice(1) : head, (token) => token.text === ",").map(plainItem);
  const select: Select = { distinct, items, from: inner ?? from };
  if (inner !== undefined && isNamed) select.alias = (from.at(-1) as SqlToken).text;
  for (const [key, name] of [
    ["where", "WHERE"],
    ["groupBy", "GROUP"],
    ["having", "HAVING"],
    ["qualify", "QUALIFY"],
    ["orderBy", "ORDER"],
    ["limit", "LIMIT"],
  ] as const) {
    const body = clause(name);
    if (body !== undefined) select[key] = body;
  }
  return select;
}

/** The expression and the name of one item: `SUM(x) AS total`, or a plain column. */
export function item(tokens: readonly SqlToken[]): { expression: SqlToken[]; name: string | undefined } {
  const at = tokens.length - 2;
  if (isWord(tokens[at], "AS")) return { expression: tokens.slice(0, at), name: tokens[at + 1]?.text };
  return { expression: [...tokens], name: isColumn(tokens) ? tokens.at(-1)?.text : undefined };
}

/** `name`, or `t0.name`. */
export const isColumn = (tokens: readonly SqlToken[]): boolean =>
  (tokens.length === 1 && (tokens[0]?.kind === "word" || tokens[0]?.kind === "quoted")) ||
  (tokens.length === 3 && tokens[1]?.text === "." && isAlias(tokens[0]));

/** A column that is named as itself is not named. */
function plainItem(tokens: SqlToken[]): SqlToken[] {
  const { expression, name } = item(tokens);
  return isColumn(expression) && expression.at(-1)?.text === name ? expression : tokens;
}

export const isStar = (select: Select): boolean =>
  select.items.length === 1 && writeSql(select.items[0] ?? []) === "*";

/** Whether it only keeps rows of its source. */
export const isFilter = (select: Select): boolean => isStar(select) && keepsColumns(select);

/** Whether what comes after its WHERE is nothing but its list of columns. */
export const keepsColumns = (select: Select): boolean =>
  !(select.distinct || select.groupBy || select.having || select.qualify || select.orderBy || select.limit);

export function bracketed(condition: SqlToken[]): SqlToken[] {
  const hasOr = splitTopLevel(condition, (token) => isWord(token, "OR")).length > 1;
  return hasOr ? [symbol("("), ...condition, symbol(")")] : condition;
}

/** All of the conditions that are there. */
export function allOf(...conditions: readonly (SqlToken[] | undefined)[]): SqlToken[] | undefined {
  const found = conditions.filter((one) => one !== undefined);
  if (found.length < 2) return found[0];
  return joinedBy(word("AND"), found.map(bracketed));
}

/** `GROUP BY 1, 2` by the names or expressions that the numbers stand for. */
function nameGroups(select: Select): SqlToken[] | undefined {
  const groups = select.groupBy && splitTopLevel(select.groupBy, (token) => token.text === ",");
  return groups?.flatMap((group, i) => {
    const ordinal = group.length === 1 && group[0]?.kind === "number" ? Number(group[0].text) : undefined;
    const named = ordinal === undefined ? group : item(select.items[ordinal - 1] ?? group).expression;
    return i === 0 ? named : [symbol(","), ...named];
  });
}

export function writeSelect(select: Select): SqlToken[] {
  const groupBy = nameGroups(select);
  const { from, alias } = select;
  return [
    word("SELECT"),
    ...(select.distinct ? [word("DISTINCT")] : []),
    ...joinedBy(symbol(","), select.items),
    word("FROM"),
    ...(Array.isArray(from) ? from : [symbol("("), ...writeSelect(from), symbol(")")]),
    ...(alias === undefined ? [] : [word("AS"), word(alias)]),
    ...(select.where ? [word("WHERE"), ...select.where] : []),
    ...(groupBy ? [word("GROUP"), word("BY"), ...groupBy] : []),
    ...(select.having ? [word("HAVING"), ...select.having] : []),
    ...(select.qualify ? [word("QUALIFY"), ...select.qualify] : []),
    ...(select.orderBy ? [word("ORDER"), word("BY"), ...select.orderBy] : []),
    ...(select.limit ? [word("LIMIT"), ...select.limit] : []),
  ];
}
