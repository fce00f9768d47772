/** SQL cut into tokens, enough to rewrite what Ibis prints; comments do not occur there. */
export type SqlToken = { kind: "word" | "quoted" | "string" | "number" | "symbol"; text: string };

const TOKEN =
  /\s+|'(?:[^']|'')*'|"(?:[^"]|"")*"|\d+(?:\.\d+)?(?:e[+-]?\d+)?|[A-Za-z_][A-Za-z0-9_]*|<>|<=|>=|\|\||::|!=|[^\s]/gy;

export function tokenizeSql(sql: string): SqlToken[] {
  const tokens: SqlToken[] = [];
  for (const [text] of sql.matchAll(TOKEN)) {
    if (/^\s/.test(text)) continue;
    const kind = text.startsWith("'")
      ? "string"
      : text.startsWith('"') && text.length > 1
        ? "quoted"
        : /^\d/.test(text)
          ? "number"
          : /^[A-Za-z_]/.test(text)
            ? "word"
            : "symbol";
    tokens.push({ kind, text });
  }
  return tokens;
}

const TIGHT_BEFORE = new Set([")", "]", ",", ".", "::", ":", ";"]);
const TIGHT_AFTER = new Set(["(", "[", ".", "::"]);
const KEYWORD_BEFORE_PAREN =
  /^(AND|OR|NOT|IN|FROM|WHERE|OVER|AS|ON|BY|THEN|ELSE|WHEN|EXCLUDE|UNION|ALL|EXCEPT|INTERSECT|JOIN|SELECT|DISTINCT|HAVING)$/;

/** The tokens on one line. */
export function joinSql(tokens: readonly SqlToken[]): string {
  let out = "";
  tokens.forEach((token, i) => {
    const before = tokens[i - 1];
    const isCall = token.text === "(" && before?.kind === "word" && !KEYWORD_BEFORE_PAREN.test(before.text);
    const negative =
      before?.text === "-" &&
      !["word", "quoted", "number"].includes(tokens[i - 2]?.kind ?? "") &&
      tokens[i - 2]?.text !== ")";
    const tight =
      before === undefined ||
      TIGHT_BEFORE.has(token.text) ||
      TIGHT_AFTER.has(before.text) ||
      isCall ||
      negative;
    out += tight ? token.text : ` ${token.text}`;
  });
  return out;
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
