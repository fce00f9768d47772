/** The tables of a FROM, and what joins them. */
import type { SqlToken } from "../../../text/sql-lexer.js";
import type { Schema } from "../../../dsl.js";
import { splitTopLevel } from "../../../text/sql.js";
import { allOf, isFilter, parseSelect, writeSelect, type Select } from "./select.js";
import { bare, isAlias, isWord, joinedBy, symbol, word } from "./tokens.js";

/** One table of a FROM: `INNER JOIN customers AS t3 ON …`. */
export interface Joined {
  /** `INNER JOIN`; nothing for the first. */
  how: SqlToken[];
  source: SqlToken[];
  on?: SqlToken[];
}

const JOIN_WORDS = ["INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "SEMI", "ANTI", "ASOF", "JOIN"];

/** The tables of a FROM; undefined where it holds anything but tables and joins. */
export function parseJoins(from: readonly SqlToken[]): Joined[] | undefined {
  const seen: SqlToken[] = [];
  const parts = splitTopLevel(from, (token) => {
    const cuts = isWord(token, "ON", ...JOIN_WORDS);
    if (cuts) seen.push(token);
    return cuts;
  });
  if (splitTopLevel(from, (token) => token.text === "," || isWord(token, "USING", "OFFSET")).length > 1)
    return undefined;
  const [first = [], ...rest] = parts;
  const joins: Joined[] = [{ how: [], source: first }];
  let how: SqlToken[] = [];
  for (const [i, part] of rest.entries()) {
    const head = seen[i] as SqlToken;
    const last = joins.at(-1) as Joined;
    if (isWord(head, "ON")) last.on = part;
    else if (isWord(head, "JOIN")) {
      joins.push({ how: [...how, head], source: part });
      how = [];
    } else if (part.length > 0) return undefined;
    else how.push(head);
  }
  return joins;
}

export const writeJoins = (joins: readonly Joined[]): SqlToken[] =>
  joins.flatMap(({ how, source, on }) => [
    ...how,
    ...source,
    ...(on === undefined ? [] : [word("ON"), ...on]),
  ]);

/** `(SELECT * FROM t AS t1 WHERE …) AS t4` as the table under that name, and its condition. */
function filtered(
  source: readonly SqlToken[],
): { source: SqlToken[]; where: SqlToken[] | undefined } | undefined {
  const alias = source.at(-1);
  if (source[0]?.text !== "(" || source.at(-3)?.text !== ")" || !isAlias(alias)) return undefined;
  const select = parseSelect(source.slice(1, -3));
  if (select === undefined || !isFilter(select) || !Array.isArray(select.from)) return undefined;
  const [table, as, own] = select.from;
  if (select.from.length !== 3 || table === undefined || as === undefined || !isAlias(own)) return undefined;
  const where = select.where?.map((token) => (token.text === own.text ? alias : token));
  return { source: [table, as, alias], where };
}

/** With the conditions on single tables among the others: in WHERE, or in ON where a join keeps rows without a match. */
export function hoisted(select: Select): Select {
  const joins = Array.isArray(select.from) ? parseJoins(select.from) : undefined;
  if (joins === undefined || joins.some(({ how }) => isWord(how[0], "RIGHT", "FULL", "ASOF"))) return select;
  let { where } = select;
  const moved = joins.map((join): Joined => {
    const found = filtered(join.source);
    if (found === undefined) return join;
    const inOn = isWord(join.how[0], "LEFT", "SEMI", "ANTI");
    if (!inOn) where = allOf(where, found.where);
    const on = inOn ? allOf(join.on, found.where) : join.on;
    return { how: join.how, source: found.source, ...(on === undefined ? {} : { on }) };
  });
  return { ...select, from: writeJoins(moved), ...(where === undefined ? {} : { where }) };
}

/** Inner joins as tables with commas between, and their conditions in WHERE; undefined where there are none such. */
export function byComma(tokens: readonly SqlToken[]): SqlToken[] | undefined {
  const select = parseSelect(tokens);
  const joins = select && Array.isArray(select.from) ? parseJoins(select.from) : undefined;
  if (select === undefined || joins === undefined || joins.length < 2) return undefined;
  if (joins.slice(1).some(({ how, on }) => !isWord(how[0], "INNER", "JOIN") || on === undefined))
    return undefined;
  const where = allOf(...joins.slice(1).map(({ on }) => on), select.where);
  const from = joinedBy(
    symbol(","),
    joins.map(({ source }) => source.filter((token) => !isWord(token, "AS") || source[0]?.text === "(")),
  );
  return writeSelect({ ...select, from, ...(where === undefined ? {} : { where }) });
}

/**
 * `ON a.key = b.key` as `USING (key)` and the key without its table; undefined where an outer join keeps the two apart, or
 * where the tables have other columns in common.
 */
export function usingColumns(tokens: readonly SqlToken[], schema: Schema): SqlToken[] | undefined {
  const select = parseSelect(tokens);
  const joins = select && Array.isArray(select.from) ? parseJoins(select.from) : undefined;
  if (select === undefined || joins === undefined || joins.length < 2) return undefined;
  const keys = new Set<string>();
  const dropped = new Set<string>();
  const parts: SqlToken[] = joins[0]?.source.filter((token) => !isWord(token, "AS")) ?? [];
  for (const { how, source, on = [] } of joins.slice(1)) {
    const [own, dot, key, equal, other, otherDot, otherKey] = on;
    const isInner = isWord(how[0], "INNER", "JOIN");
    const isEqual = on.length === 7 && dot?.text === "." && equal?.text === "=" && otherDot?.text === ".";
    if (!isEqual || key === undefined || key.text !== otherKey?.text || !(isInner || isWord(how[0], "LEFT")))
      return undefined;
    const right = source.at(-1)?.text === own?.text ? own : other;
    const left = right === own ? other : own;
    keys.add(`${left?.text ?? ""}.${key.text}`);
    if (isInner) keys.add(`${right?.text ?? ""}.${key.text}`);
    else dropped.add(`${right?.text ?? ""}.${key.text}`);
    parts.push(
      ...(isInner ? [word("JOIN")] : [word("LEFT"), word("JOIN")]),
      ...source.filter((token) => !isWord(token, "AS")),
      ...[word("USING"), symbol("("), key, symbol(")")],
    );
  }
  const tables = joins.map(({ source }) => Object.keys(schema[bare(source[0] as SqlToken)] ?? {}));
  const names = new Set([...keys].map((key) => key.replace(/^[^.]*\./, "").replace(/^["`]|["`]$/g, "")));
  const all = tables.flat().filter((name) => !names.has(name));
  if (new Set(all).size !== all.length) return undefined;
  let failed = false;
  const plain = (some: SqlToken[] | undefined): SqlToken[] | undefined =>
    some?.flatMap((token, i) => {
      const isColumn = (at: number): boolean => isAlias(some[at]) && some[at + 1]?.text === ".";
      const path = (at: number): string => `${some[at]?.text ?? ""}.${some[at + 2]?.text ?? ""}`;
      if (isColumn(i) && dropped.has(path(i))) failed = true;
      if (isColumn(i) && keys.has(path(i))) return [];
      return token.text === "." && isColumn(i - 1) && keys.has(path(i - 1)) ? [] : [token];
    });
  const { where, groupBy, having, qualify, orderBy } = select;
  const written: Select = { ...select, items: select.items.map((one) => plain(one) ?? one), from: parts };
  for (const [name, clause] of Object.entries({ where, groupBy, having, qualify, orderBy })) {
    const own = plain(clause);
    if (own !== undefined) written[name as "where"] = own;
  }
  return failed ? undefined : writeSelect(written);
}
