/**
 * Merges the subqueries that Ibis prints one a step into the SELECT around them, where several tables are joined: columns
 * that it passes on under the subquery's name are written as those of the tables themselves.
 */
import type { Schema } from "../../../dsl.js";
import type { SqlToken } from "../../../text/sql-lexer.js";
import { splitTopLevel } from "../../../text/sql.js";
import { hoisted } from "./joins.js";
import {
  allOf,
  isColumn,
  isStar,
  item,
  keepsColumns,
  parseSelect,
  writeSelect,
  type Select,
} from "./select.js";
import { bare, closing, isAlias, isWord, symbol, word } from "./tokens.js";

/** The statement with as few subqueries as keep its rows; undefined for one that is no plain SELECT. */
export function flatten(tokens: readonly SqlToken[], schema: Schema): SqlToken[] | undefined {
  const select = parseSelect(tokens);
  // A name that is given twice means one of two tables, by where it stands.
  const given = tokens.flatMap((token, i) =>
    isAlias(token) && isWord(tokens[i - 1], "AS") ? token.text : [],
  );
  if (select === undefined || new Set(given).size !== given.length) return undefined;
  return writeSelect(starred(merge(select), schema));
}

function merge(outer: Select): Select {
  if (Array.isArray(outer.from)) return hoisted(outer);
  const inner = merge(outer.from);
  const merged = outer.alias === undefined ? undefined : mergeInto(outer, inner, outer.alias);
  return merged ?? { ...outer, from: inner };
}

const hasWindow = (tokens: readonly SqlToken[] | undefined): boolean =>
  tokens?.some((token) => isWord(token, "OVER")) === true;

const hasOperator = (tokens: readonly SqlToken[]): boolean =>
  splitTopLevel(tokens, (t) => t.kind === "symbol" && /^([-+*/%<>=!|]+|::)$/.test(t.text)).length > 1 ||
  splitTopLevel(tokens, (t) => isWord(t, "AND", "OR", "NOT", "IS", "IN", "BETWEEN", "LIKE")).length > 1;

/** What the subquery's columns are, by name; undefined where it has columns that nothing names. */
function columnsOf(inner: Select): ((name: SqlToken) => SqlToken[] | undefined) | undefined {
  if (isStar(inner)) {
    const source = Array.isArray(inner.from) ? inner.from.at(-1) : undefined;
    const single = Array.isArray(inner.from) && inner.from.length === 3 && isAlias(source);
    const table = single ? source : inner.alias === undefined ? undefined : word(inner.alias);
    return table && ((name) => [table, symbol("."), name]);
  }
  const items = inner.items.map(item);
  if (items.some(({ name }) => name === undefined)) return undefined;
  const byName = new Map(items.map(({ name, expression }) => [name, expression]));
  return (name) => byName.get(name.text);
}

function mergeInto(outer: Select, inner: Select, alias: string): Select | undefined {
  const columns = columnsOf(inner);
  if (columns === undefined) return undefined;
  if (!keepsColumns(inner)) return aroundGroups(outer, inner, alias);
  const computed = isStar(inner) ? [] : inner.items.filter((one) => !isColumn(item(one).expression));
  // What is computed of all rows at once gives one row.
  if (computed.length > 0 && computed.length === inner.items.length) return undefined;
  const windows = computed.some(hasWindow);
  if (windows && !(isStar(outer) && keepsRows(outer))) return undefined;
  const uses = new Map<string, number>();
  let failed = false;
  const inside = (tokens: readonly SqlToken[], isSort = false): SqlToken[] => {
    const out: SqlToken[] = [];
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i] as SqlToken;
      const name = tokens[i + 2];
      if (token.text !== alias || tokens[i + 1]?.text !== "." || name === undefined) {
        out.push(token);
        continue;
      }
      const own = columns(name);
      if (own === undefined) failed = true;
      else if (isColumn(own)) out.push(...own);
      else if (isSort) out.push(name);
      else {
        const count = (uses.get(name.text) ?? 0) + 1;
        uses.set(name.text, count);
        if (count > 1 || hasWindow(own)) failed = true;
        out.push(...(hasOperator(own) ? [symbol("("), ...own, symbol(")")] : own));
      }
      i += 2;
    }
    return out;
  };
  const passed = isStar(outer) ? inner.items : outer.items.map((one) => passOn(one, alias, columns, inside));
  const folded: Select = { distinct: outer.distinct, items: passed, from: inner.from };
  if (inner.alias !== undefined) folded.alias = inner.alias;
  const where = allOf(inner.where, outer.where && inside(outer.where));
  if (where !== undefined) folded.where = where;
  for (const key of ["groupBy", "having", "qualify"] as const) {
    const own = outer[key];
    if (own !== undefined) folded[key] = inside(own);
  }
  if (outer.orderBy !== undefined) {
    const names = new Set(passed.map((one) => item(one).name));
    folded.orderBy = inside(outer.orderBy, true);
    // A sort key that is computed is there by its name alone.
    const sorted = outer.orderBy.filter((_, i, all) => all[i - 2]?.text === alias);
    if (!isStar(folded) && sorted.some((one) => !isColumn(columns(one) ?? []) && !names.has(one.text)))
      return undefined;
  }
  if (outer.limit !== undefined) folded.limit = outer.limit;
  if (outer.distinct && outer.orderBy !== undefined) return undefined;
  return failed ? undefined : folded;
}

/** An item of the outer SELECT, whose name stays what it was. */
function passOn(
  tokens: readonly SqlToken[],
  alias: string,
  columns: (name: SqlToken) => SqlToken[] | undefined,
  inside: (tokens: readonly SqlToken[]) => SqlToken[],
): SqlToken[] {
  const { expression, name } = item(tokens);
  const own = expression[0]?.text === alias && isColumn(expression) && columns(expression[2] as SqlToken);
  if (!own) return inside(tokens);
  const label = tokens.at(-1) as SqlToken;
  return isColumn(own) && own.at(-1)?.text === name
    ? own
    : [...unwrapped(inside(expression)), word("AS"), label];
}

/** Without the brackets around it all. */
const unwrapped = (tokens: SqlToken[]): SqlToken[] =>
  tokens[0]?.text === "(" && closing(tokens, 0) === tokens.length - 1 ? tokens.slice(1, -1) : tokens;

/** Nothing that counts, drops or groups rows. */
const keepsRows = ({ where, distinct, groupBy, having, qualify }: Select): boolean =>
  !(where || distinct || groupBy || having || qualify);

/** `SELECT * FROM (… GROUP BY …) WHERE …` with a HAVING; a sort or a limit around anything that has none. */
function aroundGroups(outer: Select, inner: Select, alias: string): Select | undefined {
  if (!isStar(outer) || outer.distinct || outer.groupBy || outer.having || outer.qualify) return undefined;
  if (inner.orderBy ?? inner.limit) return undefined;
  const byName = new Map(inner.items.map((one) => [item(one).name, item(one).expression]));
  const inside = (tokens: readonly SqlToken[], written: (name: SqlToken) => SqlToken[]): SqlToken[] =>
    tokens.flatMap((token, i) => {
      if (tokens[i - 2]?.text === alias && tokens[i - 1]?.text === ".") return written(token);
      return token.text === alias || (token.text === "." && tokens[i - 1]?.text === alias) ? [] : token;
    });
  const folded: Select = { ...inner };
  if (outer.where !== undefined) {
    if (!inner.groupBy || inner.having || inner.qualify || inner.distinct) return undefined;
    folded.having = inside(outer.where, (name) => {
      const own = byName.get(name.text) ?? [name];
      return hasOperator(own) ? [symbol("("), ...own, symbol(")")] : own;
    });
  }
  if (outer.orderBy !== undefined) folded.orderBy = inside(outer.orderBy, (name) => [name]);
  if (outer.limit !== undefined) folded.limit = outer.limit;
  return folded;
}

/** All columns of the first table, where others only say which of its rows are kept, as a star. */
function starred(select: Select, schema: Schema): Select {
  if (!Array.isArray(select.from)) return { ...select, from: starred(select.from, schema) };
  const [table, , alias] = select.from;
  const joins = select.from.filter((token) => isWord(token, "JOIN")).length;
  const keeps = select.from.filter((token) => isWord(token, "SEMI", "ANTI")).length;
  if (table === undefined || !isAlias(alias) || joins !== keeps) return select;
  const columns = Object.keys(schema[bare(table)] ?? {});
  const names = select.items.map((one) =>
    one.length === 3 && one[0]?.text === alias.text ? bare(one[2] as SqlToken) : undefined,
  );
  const isAll = columns.length > 0 && columns.every((column, i) => names[i] === column);
  if (!isAll || select.groupBy) return select;
  return { ...select, items: [[symbol("*")], ...select.items.slice(columns.length)] };
}
