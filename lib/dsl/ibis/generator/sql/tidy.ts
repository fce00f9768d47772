/** Takes out of SQL what says nothing: brackets, frames and directions that are the default anyway. */
import type { SqlToken } from "../../../text/sql-lexer.js";
import { closing, isWord, symbol, word } from "./tokens.js";

const PREDICATE_BEFORE = ["WHERE", "AND", "OR", "ON", "HAVING", "WHEN"];
const PREDICATE_AFTER = ["AND", "OR", "GROUP", "ORDER", "LIMIT", "QUALIFY", "HAVING", "THEN", "WHERE"];

/** `(a > 1) OR (b IS NULL)` without its brackets, and `NOT (x IN (…))` as `x NOT IN (…)`. */
function withoutBrackets(tokens: readonly SqlToken[]): SqlToken[] {
  const out: SqlToken[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as SqlToken;
    const before = tokens[i - 1];
    const isNegated = isWord(before, "NOT");
    const head = isNegated ? tokens[i - 2] : before;
    const isPlace = isWord(head, ...PREDICATE_BEFORE) || head?.text === "(";
    if (token.text !== "(" || !isPlace) {
      out.push(token);
      continue;
    }
    const end = closing(tokens, i);
    const after = tokens[end + 1];
    const isEnd = after === undefined || after.text === ")" || isWord(after, ...PREDICATE_AFTER);
    const inner = tokens.slice(i + 1, end);
    if (!isEnd || !isPredicate(inner)) {
      out.push(token);
      continue;
    }
    const plain = withoutBrackets(inner);
    const at = plain.findIndex((one) => isWord(one, "IN", "LIKE", "BETWEEN", "ILIKE"));
    const isSingle = plain.length === 1 || (plain.length === 3 && plain[1]?.text === ".");
    if (!isNegated) out.push(...plain);
    else if (isSingle) out.push(...plain);
    else if (at > 0 && !isWord(plain[at - 1], "NOT") && isOperand(plain.slice(0, at))) {
      out.pop();
      out.push(...plain.slice(0, at), word("NOT"), ...plain.slice(at));
    } else out.push(symbol("("), ...plain, symbol(")"));
    i = end;
  }
  return out;
}

/** Nothing that binds looser than a comparison, and no list or subquery. */
function isPredicate(tokens: readonly SqlToken[]): boolean {
  let depth = 0;
  let between = 0;
  for (const token of tokens) {
    if (token.text === "(" || token.text === "[") depth++;
    if (token.text === ")" || token.text === "]") depth--;
    if (depth > 0) continue;
    if (isWord(token, "BETWEEN")) between++;
    else if (isWord(token, "AND") && between-- > 0) continue;
    else if (token.text === "," || isWord(token, "AND", "OR", "SELECT", "CASE", "NOT")) return false;
  }
  return tokens.length > 0;
}

const isOperand = (tokens: readonly SqlToken[]): boolean =>
  tokens.every(({ kind, text }) => kind === "word" || kind === "quoted" || text === ".");

/** Functions that look at no frame. */
const FRAMELESS = /^(ROW_NUMBER|RANK|DENSE_RANK|PERCENT_RANK|CUME_DIST|NTILE|LAG|LEAD)$/i;

/** `OVER (…)` without a frame that changes nothing, and without directions that are the default. */
function withoutFrames(tokens: readonly SqlToken[]): SqlToken[] {
  const out: SqlToken[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as SqlToken;
    out.push(token);
    if (!isWord(token, "OVER") || tokens[i + 1]?.text !== "(") continue;
    const end = closing(tokens, i + 1);
    const window = tokens.slice(i + 2, end);
    const frame = window.findIndex((one, at) => isWord(one, "ROWS") && isWord(window[at + 1], "BETWEEN"));
    const text = window.slice(frame).map((one) => one.text);
    const isWhole = text.join(" ") === "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING";
    const ordered = window.some((one) => isWord(one, "ORDER"));
    const needless = frame >= 0 && isWhole && (!ordered || FRAMELESS.test(functionOf(tokens, i)));
    out.push(symbol("("), ...(needless ? window.slice(0, frame) : window), symbol(")"));
    i = end;
  }
  return out;
}

/** The function whose call ends before `at`. */
function functionOf(tokens: readonly SqlToken[], at: number): string {
  let depth = 0;
  for (let i = at - 1; i >= 0; i--) {
    const text = tokens[i]?.text;
    if (text === ")") depth++;
    if (text === "(" && --depth === 0) return tokens[i - 1]?.text ?? "";
  }
  return "";
}

/** Ranks count from 0 in Ibis: `(RANK() OVER (…) - 1) < 3` is `RANK() OVER (…) <= 3`. */
function rankedFromOne(tokens: readonly SqlToken[]): SqlToken[] {
  const out: SqlToken[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as SqlToken;
    const end = token.text === "(" ? closing(tokens, i) : -1;
    const [minus, one] = tokens.slice(end - 2, end);
    const [compare, bound] = tokens.slice(end + 1, end + 3);
    const call = tokens.slice(i + 1, end - 2);
    const isRank = call.findIndex((other) => isWord(other, "OVER")) === 3 && call.at(-1)?.text === ")";
    const isBound = /^(<|<=|=|>|>=)$/.test(compare?.text ?? "") && /^\d+$/.test(bound?.text ?? "");
    if (end < 0 || minus?.text !== "-" || one?.text !== "1" || !isRank || !isBound) {
      out.push(token);
      continue;
    }
    const { text } = compare as SqlToken;
    const from = Number((bound as SqlToken).text) + 1;
    const [operator, value] =
      text === "<" ? ["<=", from - 1] : text === ">=" ? [">", from - 1] : [text, from];
    out.push(...call, symbol(operator), { kind: "number", text: String(value) });
    i = end + 2;
  }
  return out;
}

/** The same query, said with less. */
export function tidy(tokens: readonly SqlToken[]): SqlToken[] {
  const plain = rankedFromOne(withoutFrames(withoutBrackets(tokens)));
  return plain.filter((token, i) => !(isWord(token, "ASC") && !isWord(plain[i + 1], "NULLS")));
}
