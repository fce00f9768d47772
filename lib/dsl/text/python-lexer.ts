/**
 * Python cut into pieces that together are the text again (The Python Language Reference, 2 "Lexical analysis", with
 * the f-strings of PEP 701). It never fails: what is no Python, as in a program that is to be mended, is a piece of
 * one character, and a string that does not end reaches to the end of its line (in triple quotes, of the text).
 */
export type PythonPieceKind =
  "name" | "number" | "string" | "operator" | "comment" | "space" | "newline" | "continuation";

export interface PythonPiece {
  kind: PythonPieceKind;
  text: string;
  /** Of a string: whether its closing quotes are there. */
  closed?: boolean;
}

const NAME = /[\p{ID_Start}_][\p{ID_Continue}]*/uy;
const NUMBER =
  /(?:0[xX](?:_?[\da-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:\d(?:_?\d)*\.?(?:\d(?:_?\d)*)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?[jJ]?)/y;
const STRING_START = /(r|u|b|f|t|br|rb|fr|rf|tr|rt)?("""|'''|"|')/iy;
const OPERATOR = /\*\*=|\/\/=|>>=|<<=|\.\.\.|->|:=|[-+*/%&|^@=<>!]=|\*\*|\/\/|>>|<<|[^]/uy;
const SPACE = /[ \t\f]+/y;
const COMMENT = /#[^\n]*/y;
const CONTINUATION = /\\\n/y;

function match(pattern: RegExp, source: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(source);
}

/** Where the string that starts at `at` ends, and whether it ends by its own quotes; undefined when none starts there. */
function stringAt(source: string, at: number): { end: number; closed: boolean } | undefined {
  const start = match(STRING_START, source, at);
  if (start === null) return undefined;
  const [opening, prefix = "", quote = ""] = start;
  const formatted = /[ft]/i.test(prefix);
  const raw = /r/i.test(prefix);
  let i = at + opening.length;
  while (i < source.length) {
    if (source.startsWith(quote, i)) return { end: i + quote.length, closed: true };
    const letter = source[i];
    if (letter === "\n" && quote.length === 1) return { end: i, closed: false };
    if (letter === "\\") {
      const named = formatted && !raw ? match(/\\N\{[^}\n]*\}/y, source, i) : null;
      // A backslash does not keep a brace from opening a field.
      i += named !== null ? named[0].length : formatted && source[i + 1] === "{" ? 1 : 2;
    } else if (formatted && letter === "{") {
      i = source[i + 1] === "{" ? i + 2 : fieldEnd(source, i + 1, quote);
    } else i++;
  }
  return { end: source.length, closed: false };
}

/** Where the replacement field whose inside starts at `at` ends: after its brace, or where its string breaks off. */
function fieldEnd(source: string, at: number, quote: string): number {
  let depth = 0;
  for (let i = at; i < source.length;) {
    const letter = source[i] as string;
    if (letter === "\n" && quote.length === 1) return i;
    if (depth === 0 && letter === "}") return i + 1;
    if (depth === 0 && letter === ":" && source[i + 1] !== "=") return formatSpecEnd(source, i + 1, quote);
    if ("([{".includes(letter)) depth++;
    if (")]}".includes(letter)) depth--;
    const inner = stringAt(source, i);
    if (inner !== undefined) i = inner.end;
    else if (letter === "#" && quote.length === 3)
      i += (match(COMMENT, source, i) as RegExpExecArray)[0].length;
    else i += match(NAME, source, i)?.[0].length ?? 1;
  }
  return source.length;
}

/** Where a field ends whose format specification starts at `at`; it may hold fields of its own. */
function formatSpecEnd(source: string, at: number, quote: string): number {
  for (let i = at; i < source.length;) {
    const letter = source[i];
    if (letter === "}") return i + 1;
    if (source.startsWith(quote, i) || (letter === "\n" && quote.length === 1)) return i;
    i = letter === "{" ? fieldEnd(source, i + 1, quote) : i + 1;
  }
  return source.length;
}

const SIMPLE: readonly (readonly [kind: PythonPieceKind, pattern: RegExp])[] = [
  ["space", SPACE],
  ["comment", COMMENT],
  ["newline", /\n/y],
  ["continuation", CONTINUATION],
  ["name", NAME],
  ["number", NUMBER],
  ["operator", OPERATOR],
];

/** The pieces of `source`, in which a line ends with "\n" alone. */
export function lexPython(source: string): PythonPiece[] {
  const pieces: PythonPiece[] = [];
  for (let at = 0; at < source.length;) {
    const string = stringAt(source, at);
    if (string !== undefined) {
      pieces.push({ kind: "string", text: source.slice(at, string.end), closed: string.closed });
      at = string.end;
      continue;
    }
    for (const [kind, pattern] of SIMPLE) {
      const found = match(pattern, source, at);
      if (found === null) continue;
      pieces.push({ kind, text: found[0] });
      at += found[0].length;
      break;
    }
  }
  return pieces;
}
