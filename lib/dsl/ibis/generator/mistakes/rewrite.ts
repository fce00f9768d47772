/** The text of a program taken apart at its calls, so that a mistake can be written into one of them. */
import type { Random } from "../../../../data/random.js";
import { lexPython, type PythonPiece } from "../../../text/python-lexer.js";
import type { Table } from "../schemas.js";

/** What a mistake is made of: a program as answers write it, and the tables that it stands on. */
export interface Correct {
  random: Random;
  text: string;
  tables: readonly Table[];
}

/** The program with a mistake in it; undefined where there is no place for it. */
export type Mistake = (correct: Correct) => string | undefined;

/** `receiver.name(args)`, where it stands. */
export interface Call {
  name: string;
  /** What the method is called on: `_.price`, or all steps before. Empty for a function without a dot. */
  receiver: string;
  args: string[];
  /** Where the receiver starts, and where the call's bracket has closed. */
  start: number;
  end: number;
}

const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };
const isClosing = (text: string): boolean => ")]}".includes(text);

interface Placed extends PythonPiece {
  at: number;
}

function placed(text: string): Placed[] {
  let at = 0;
  return lexPython(text).map((piece) => {
    const found = { ...piece, at };
    at += piece.text.length;
    return found;
  });
}

/** For each opening piece the one that closes it, and the other way round. */
function brackets(pieces: readonly Placed[]): Map<number, number> {
  const pairs = new Map<number, number>();
  const open: number[] = [];
  pieces.forEach(({ text, kind }, i) => {
    if (kind !== "operator") return;
    if (CLOSING[text] !== undefined) open.push(i);
    else if (isClosing(text)) {
      const start = open.pop();
      if (start === undefined) return;
      pairs.set(start, i);
      pairs.set(i, start);
    }
  });
  return pairs;
}

/** Where the primary starts that ends before piece `end`: `_.a.b(c)[d]` as a whole. */
function receiverStart(pieces: readonly Placed[], pairs: Map<number, number>, end: number): number {
  let i = end - 1;
  for (;;) {
    const piece = pieces[i];
    if (piece === undefined) return i + 1;
    if (isClosing(piece.text)) {
      i = (pairs.get(i) ?? i) - 1;
      // `(a + b).c` starts at its bracket, `f(a).c` at f.
      if (pieces[i]?.kind !== "name") return i + 1;
      continue;
    }
    if (pieces[i - 1]?.text !== ".") return i;
    i -= 2;
  }
}

/** The calls of a text, outer ones first. */
export function callsIn(text: string): Call[] {
  const pieces = placed(text);
  const pairs = brackets(pieces);
  const found: Call[] = [];
  pieces.forEach((piece, i) => {
    const close = pairs.get(i + 1);
    if (piece.kind !== "name" || pieces[i + 1]?.text !== "(" || close === undefined) return;
    const dotted = pieces[i - 1]?.text === ".";
    const first = dotted ? receiverStart(pieces, pairs, i - 1) : i;
    const start = pieces[first]?.at ?? 0;
    const args: string[] = [];
    let depth = 0;
    let arg = "";
    for (const { text: token } of pieces.slice(i + 2, close)) {
      if (CLOSING[token] !== undefined) depth++;
      if (isClosing(token)) depth--;
      if (token === "," && depth === 0) {
        args.push(arg.trim());
        arg = "";
      } else arg += token;
    }
    if (arg.trim() !== "") args.push(arg.trim());
    found.push({
      name: piece.text,
      receiver: dotted ? text.slice(start, (pieces[i - 1] as Placed).at) : "",
      args,
      start,
      end: (pieces[close] as Placed).at + 1,
    });
  });
  return found.sort((a, b) => a.start - b.start || b.end - a.end);
}

/** Rewrites one of the calls for which `make` has another text. */
export function rewriteCall(
  { random, text }: Correct,
  make: (call: Call) => string | undefined,
): string | undefined {
  const options = callsIn(text).flatMap((call) => {
    const written = make(call);
    return written === undefined ? [] : [{ call, written }];
  });
  if (options.length === 0) return undefined;
  const { call, written } = random.pick(options);
  return text.slice(0, call.start) + written + text.slice(call.end);
}

/** As `rewriteCall`, of calls of that name; `make` gives the text from the dot on, or from the name where there is none. */
export function rewriteNamed(
  correct: Correct,
  names: string | readonly string[],
  make: (args: string[], call: Call) => string | undefined,
): string | undefined {
  return rewriteCall(correct, (call) => {
    if (!names.includes(call.name) || (typeof names === "string" && names !== call.name)) return undefined;
    const written = make(call.args, call);
    return written === undefined ? undefined : call.receiver + written;
  });
}

/** Replaces one of the matches; `make` returns undefined to leave it. */
export function replaceOne(
  { random, text }: Correct,
  pattern: RegExp,
  make: (match: RegExpMatchArray) => string | undefined,
): string | undefined {
  const options = [...text.matchAll(pattern)].flatMap((match) => {
    const replacement = make(match);
    return replacement === undefined ? [] : [{ match, replacement }];
  });
  if (options.length === 0) return undefined;
  const { match, replacement } = random.pick(options);
  return text.slice(0, match.index) + replacement + text.slice(match.index + match[0].length);
}

/** Two neighbours swapped, a letter dropped, doubled or added: never the same word. */
export function misspell(random: Random, word: string): string {
  for (;;) {
    const at = random.below(Math.max(1, word.length - 1));
    const letter = word[at] as string;
    const next = word[at + 1] ?? "";
    const out = random.pick([
      word.slice(0, at) + next + letter + word.slice(at + 2),
      word.slice(0, at + 1) + word.slice(at + 2),
      word.slice(0, at) + letter + word.slice(at),
      word.endsWith("s") ? word.slice(0, -1) : `${word}s`,
    ]);
    if (out !== word && /^[a-z_]\w*$/i.test(out)) return out;
  }
}

/** `name=value` taken apart; undefined for an argument without a name. */
export function named(arg: string): [name: string, value: string] | undefined {
  const found = /^(\w+)=(?!=)([^]*)$/.exec(arg);
  return found === null ? undefined : [found[1] as string, found[2] as string];
}

/** What a string literal says; undefined for what is none. */
export const stringIn = (arg: string | undefined): string | undefined => /^"([^"\\]*)"$/.exec(arg ?? "")?.[1];

/** `_.price`'s column; undefined for what is no bare column. */
export const columnIn = (text: string): string | undefined => /^_\.(\w+)$/.exec(text)?.[1];

/** `_.price.sum()`: column and reduction; undefined for what is none. */
export function reductionIn(text: string): { column: string; reduction: string } | undefined {
  const found = /^_\.(\w+)\.(sum|mean|max|min|nunique|std|count)\(\)$/.exec(text);
  return found === null ? undefined : { column: found[1] as string, reduction: found[2] as string };
}

/** The conditions as they would stand in a text of another language: no `_.`. */
export const bare = (text: string): string => text.replace(/\b_\./g, "");
