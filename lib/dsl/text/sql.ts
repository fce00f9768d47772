/** SQL as a model reads it: the text's own tokens in their order on one line, without comments. */
import { lexSql, type SqlToken } from "./sql-lexer.js";

/**
 * `sql` without comments and without the semicolon that ends it, with one space wherever there was space. Strings and
 * quoted names are as they were typed.
 */
export function normaliseSql(sql: string, dialect?: string): string {
  const tokens = lexSql(sql, dialect);
  while (tokens.at(-1)?.text === ";") tokens.pop();
  return tokens
    .map((token, i) => (i > 0 && token.start !== tokens[i - 1]?.end ? " " : "") + token.text)
    .join("");
}

const TIGHT_BEFORE = new Set([")", "]", ",", ".", "::", ":", ";"]);
const TIGHT_AFTER = new Set(["(", "[", ".", "::"]);
const KEYWORD_BEFORE_PAREN =
  /^(AND|OR|NOT|IN|FROM|WHERE|OVER|AS|ON|BY|THEN|ELSE|WHEN|EXCLUDE|UNION|ALL|EXCEPT|INTERSECT|JOIN|SELECT|DISTINCT|HAVING|QUALIFY|EXISTS|USING)$/;

/** Whether two tokens follow each other in the text that they were read from, with nothing between. */
const touch = (before: SqlToken, after: SqlToken): boolean =>
  before.end !== undefined && before.end === after.start;

/** Whether two tokens would be read as others, were they written without a space. */
function merge(before: SqlToken, after: SqlToken): boolean {
  const tokens = lexSql(before.text + after.text);
  return tokens.length !== 2 || tokens[0]?.text !== before.text || tokens[1]?.text !== after.text;
}

/** Tokens on one line, spaced as people write. */
export function writeSql(tokens: readonly SqlToken[]): string {
  let out = "";
  tokens.forEach((token, i) => {
    const before = tokens[i - 1];
    if (before === undefined) out += token.text;
    else out += (isTight(before, token, tokens[i - 2]) ? "" : " ") + token.text;
  });
  return out;
}

function isTight(before: SqlToken, token: SqlToken, beforeThat: SqlToken | undefined): boolean {
  const isCall = token.text === "(" && before.kind === "word" && !KEYWORD_BEFORE_PAREN.test(before.text);
  const negative =
    before.text === "-" &&
    !["word", "quoted", "number"].includes(beforeThat?.kind ?? "") &&
    beforeThat?.text !== ")";
  const wanted = TIGHT_BEFORE.has(token.text) || TIGHT_AFTER.has(before.text) || isCall || negative;
  return (wanted || touch(before, token)) && !merge(before, token);
}

/** Splits at each token that `cut` accepts outside of all brackets. */
export function splitTopLevel(tokens: readonly SqlToken[], cut: (token: SqlToken) => boolean): SqlToken[][] {
  const parts: SqlToken[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.text === "(" || token.text === "[") depth++;
    if (token.text === ")" || token.text === "]") depth--;
    if (depth === 0 && cut(token)) parts.push([]);
    else (parts.at(-1) as SqlToken[]).push(token);
  }
  return parts;
}
