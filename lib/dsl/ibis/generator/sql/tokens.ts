/** Tokens of SQL, as the rewrites of what Ibis prints read and make them. */
import type { SqlToken } from "../../../text/sql-lexer.js";

export const word = (text: string): SqlToken => ({ kind: "word", text });
export const symbol = (text: string): SqlToken => ({ kind: "symbol", text });

export const isWord = (token: SqlToken | undefined, ...texts: string[]): boolean =>
  token?.kind === "word" && texts.includes(token.text);

/** One of Ibis's own names for a table: `t0`, `t1`. */
export const isAlias = (token: SqlToken | undefined): token is SqlToken =>
  token?.kind === "word" && /^t\d+$/.test(token.text);

/** A name without the quotes of its dialect. */
export const bare = ({ text }: SqlToken): string => text.replace(/^["`[]|["`\]]$/g, "");

/** Where the bracket at `open` closes; the end where it does not. */
export function closing(tokens: readonly SqlToken[], open: number): number {
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    const text = tokens[i]?.text;
    if (text === "(" || text === "[") depth++;
    if ((text === ")" || text === "]") && --depth === 0) return i;
  }
  return tokens.length;
}

/** The parts with `separator` between them. */
export const joinedBy = (separator: SqlToken, parts: readonly (readonly SqlToken[])[]): SqlToken[] =>
  parts.flatMap((part, i) => (i === 0 ? part : [separator, ...part]));
