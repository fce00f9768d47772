/** Names that people give to tables and subqueries, in place of Ibis's numbers. */
import type { SqlToken } from "../../../text/sql-lexer.js";
import { bare, isAlias, isWord } from "./tokens.js";

const NOT_NAMES =
  /^(as|at|by|do|go|if|in|is|no|of|on|or|to|all|and|any|asc|for|not|set|end|top|key|sum|min|max|day)$/;

/** `o` for orders, `oi` for order_items; longer where that is taken. */
function candidates(table: string): string[] {
  const parts = table
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((part) => part !== "");
  const [first = ""] = parts;
  const initials = parts.map((part) => part[0]).join("");
  return [initials, first.slice(0, 2), first.slice(0, 3), first].filter((name) => /^[a-z]+$/.test(name));
}

/** Tables by their first letters, subqueries as `sub`. */
export function namedTables(tokens: readonly SqlToken[]): SqlToken[] {
  const taken = new Set(tokens.map((token) => bare(token).toLowerCase()));
  const names = new Map<string, string>();
  const give = (alias: string, wanted: readonly string[]): void => {
    const name = wanted.find((one) => !taken.has(one) && !NOT_NAMES.test(one));
    if (name === undefined || names.has(alias)) return;
    taken.add(name);
    names.set(alias, name);
  };
  tokens.forEach((token, i) => {
    const before = tokens[i - 1];
    if (!isAlias(token) || tokens[i + 1]?.text === "." || before === undefined || before.text === ",") return;
    const source = isWord(before, "AS") ? tokens[i - 2] : before;
    if (isWord(before, "WITH") || isWord(source, "FROM", "JOIN")) return give(token.text, ["base", "shared"]);
    if (source?.text === ")") give(token.text, ["sub", "sub2", "sub3", "sub4"]);
    else if (source !== undefined) give(token.text, candidates(bare(source)));
  });
  return tokens.map((token) =>
    isAlias(token) && names.has(token.text) ? { kind: "word", text: names.get(token.text) as string } : token,
  );
}
