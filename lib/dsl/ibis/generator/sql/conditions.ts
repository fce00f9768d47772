/** Joins that only keep rows, and conditions with EXISTS or IN that do the same. */
import type { SqlToken } from "../../../text/sql-lexer.js";
import { splitTopLevel } from "../../../text/sql.js";
import { parseJoins, writeJoins } from "./joins.js";
import { allOf, parseSelect, writeSelect, type Select } from "./select.js";
import { closing, isAlias, isWord, joinedBy, symbol, word } from "./tokens.js";

type Form = "exists" | "in";

/** The statement with its semi or anti join, or its EXISTS, as such a condition; undefined where it has none. */
export function conditionOf(tokens: readonly SqlToken[], form: Form): SqlToken[] | undefined {
  const select = parseSelect(tokens);
  const written = select && within(select, form);
  return written && writeSelect(written);
}

function within(select: Select, form: Form): Select | undefined {
  if (!Array.isArray(select.from)) {
    const from = within(select.from, form);
    return from && { ...select, from };
  }
  const joins = parseJoins(select.from);
  const last = joins?.at(-1);
  if (joins !== undefined && isWord(last?.how[0], "SEMI", "ANTI") && last?.on !== undefined) {
    const condition = ofTable(last.source, last.on, form, isWord(last.how[0], "ANTI"));
    if (condition === undefined) return undefined;
    const where = allOf(condition, select.where);
    return { ...select, from: writeJoins(joins.slice(0, -1)), ...(where === undefined ? {} : { where }) };
  }
  const { where } = select;
  const at = where?.findIndex((token) => isWord(token, "EXISTS")) ?? -1;
  if (where === undefined || at < 0 || form === "exists" || isWord(where[at - 1], "NOT")) return undefined;
  const end = closing(where, at + 1);
  const inner = parseSelect(where.slice(at + 2, end));
  if (inner?.where === undefined || !Array.isArray(inner.from)) return undefined;
  const condition = ofTable(inner.from, inner.where, "in", false);
  return condition && { ...select, where: [...where.slice(0, at), ...condition, ...where.slice(end + 1)] };
}

/** Rows with a match in `source`, or with none. */
function ofTable(
  source: readonly SqlToken[],
  on: readonly SqlToken[],
  form: Form,
  negated: boolean,
): SqlToken[] | undefined {
  if (form === "exists") {
    const body = [word("SELECT"), { kind: "number", text: "1" } as SqlToken, word("FROM"), ...source];
    return [
      ...(negated ? [word("NOT")] : []),
      ...[word("EXISTS"), symbol("("), ...body, word("WHERE"), ...on, symbol(")")],
    ];
  }
  // A value that is missing makes NOT IN neither true nor false.
  const alias = source.at(-1);
  if (negated || !isAlias(alias)) return undefined;
  const parts = splitTopLevel(on, (token) => isWord(token, "AND"));
  const isOwn = (side: readonly SqlToken[]): boolean => side[0]?.text === alias.text;
  const key = parts.find(
    (part) => part.length === 7 && part[3]?.text === "=" && isOwn(part.slice(0, 3)) !== isOwn(part.slice(4)),
  );
  if (key === undefined) return undefined;
  const [left, right] = [key.slice(0, 3), key.slice(4)];
  const [inner, outer] = isOwn(left) ? [left, right] : [right, left];
  const rest = parts.filter((part) => part !== key);
  const others = new Set(
    rest.flatMap((part) => part.flatMap((token, i) => (part[i + 1]?.text === "." ? token.text : []))),
  );
  if ([...others].some((name) => name !== alias.text)) return undefined;
  const bare = (some: readonly SqlToken[]): SqlToken[] =>
    some.filter(
      (token, i) => token.text !== alias.text && !(token.text === "." && some[i - 1]?.text === alias.text),
    );
  return [
    ...outer,
    ...[word("IN"), symbol("("), word("SELECT"), ...bare(inner), word("FROM"), source[0] as SqlToken],
    ...(source.length > 3 || source[0]?.text === "(" ? source.slice(1) : []),
    ...(rest.length === 0 ? [] : [word("WHERE"), ...bare(joinedBy(word("AND"), rest))]),
    symbol(")"),
  ];
}
