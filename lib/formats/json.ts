import { IBertError } from "../errors.js";
import { readText } from "./text.js";

/** Why a text is no JSON, and where: `at` counts UTF-16 units from 0. */
export interface JsonFault {
  at: number;
  reason: string;
}

/**
 * The first fault of a text that `JSON.parse` refused. Its own messages name the place only now and then, and differ
 * between versions of Node.
 * Grammar: RFC 8259.
 */
export function findJsonFault(text: string): JsonFault {
  const scanner = new Scanner(text);
  try {
    scanner.document();
  } catch (error) {
    if (error instanceof Fault) return { at: error.at, reason: error.message };
    return { at: 0, reason: "it is nested too deeply" };
  }
  return { at: 0, reason: "it is no JSON" };
}

/** Line and column of a place in a text, each from 1. */
function placeIn(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 };
}

class Fault extends Error {
  constructor(
    readonly at: number,
    reason: string,
  ) {
    super(reason);
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** Of the control characters JSON wants those below U+0020 escaped. */
const PLAIN = /(?:[^"\\\p{Cc}]|[\u007f-\u009f])*/uy;
const ESCAPE = /\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4})/y;
/** What is written for the values that JSON has no word for. */
const WORD = /[+-]?[\w$']+/y;

class Scanner {
  private at = 0;

  constructor(private readonly text: string) {}

  document(): void {
    this.space();
    this.value();
    this.space();
    if (this.at < this.text.length) throw this.fault(`${this.found()} follows the value's end`);
  }

  private value(): void {
    const next = this.text[this.at];
    if (next === "{") this.members("}", () => this.member());
    else if (next === "[") this.members("]", () => this.value());
    else if (next === '"') this.string();
    else if (this.match(NUMBER) === undefined && !this.words("true", "false", "null")) {
      throw this.fault(`${this.found()} stands where a value should`);
    }
  }

  private members(end: string, member: () => void): void {
    const start = this.at++;
    this.space();
    if (this.take(end)) return;
    const requireMore = (): void => {
      if (this.at < this.text.length) return;
      throw this.fault(`the text ends within what ${this.text[start]} opened at ${this.place(start)}`);
    };
    for (;;) {
      requireMore();
      member();
      this.space();
      if (this.take(end)) return;
      requireMore();
      if (!this.take(",")) throw this.fault(`${this.found()} stands where ',' or '${end}' should`);
      this.space();
      if (this.text[this.at] === end) throw this.fault(`a ',' stands before '${end}'`);
    }
  }

  private member(): void {
    if (this.text[this.at] !== '"')
      throw this.fault(`${this.found()} stands where a key in double quotes should`);
    this.string();
    this.space();
    if (!this.take(":")) throw this.fault(`${this.found()} stands where ':' should`);
    this.space();
    this.value();
  }

  private string(): void {
    const start = this.at++;
    for (;;) {
      this.match(PLAIN);
      if (this.take('"')) return;
      if (this.at >= this.text.length)
        throw this.fault(`the text ends within the string that begins at ${this.place(start)}`);
      if (this.text[this.at] !== "\\") throw this.fault(`${this.found()} stands unescaped in a string`);
      if (this.match(ESCAPE) === undefined) {
        throw this.fault(`${JSON.stringify(this.text.slice(this.at, this.at + 2))} is no escape`);
      }
    }
  }

  private space(): void {
    this.match(/[ \t\n\r]*/y);
  }

  private take(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private words(...words: string[]): boolean {
    const word = words.find((one) => this.text.startsWith(one, this.at));
    this.at += word?.length ?? 0;
    return word !== undefined;
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }

  /** What stands here, in words. */
  private found(): string {
    if (this.at >= this.text.length) return "the text's end";
    WORD.lastIndex = this.at;
    const word = WORD.exec(this.text)?.[0].slice(0, 20);
    if (word !== undefined) return word;
    const character = String.fromCodePoint(this.text.codePointAt(this.at) as number);
    if (/[\p{Cc}\p{Cf}\p{Z}]/u.test(character)) {
      return `U+${(character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0")}`;
    }
    return `'${character}'`;
  }

  private place(at: number): string {
    const { line, column } = placeIn(this.text, at);
    return line === 1 ? `column ${column}` : `line ${line}, column ${column}`;
  }

  private fault(reason: string): Fault {
    return new Fault(this.at, reason);
  }
}

/**
 * Reads a JSON file. A byte order mark before it is read over (RFC 8259, section 8.1).
 * @throws IBertError `file-missing`, `json-invalid` with line and column, and those of `readText`, naming the file.
 */
export function readJson(path: string): unknown {
  const text = readText(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    if (text.trim() === "") throw new IBertError("json-invalid", `${path}: the file is empty`);
    const { at, reason } = findJsonFault(text);
    const { line, column } = placeIn(text, at);
    throw new IBertError("json-invalid", `${path}:${line}: not JSON at column ${column}: ${reason}`);
  }
  if (isDeeper(value, MOST_LEVELS)) {
    throw new IBertError("json-invalid", `${path}: it is nested more than ${MOST_LEVELS} levels deep`);
  }
  return value;
}

/** No file of a model or a corpus comes near; what is far deeper overflows the stack of whoever looks at it. */
const MOST_LEVELS = 500;

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) return value.some((item) => isDeeper(item, levels - 1));
  for (const key in value) {
    if (isDeeper((value as Record<string, unknown>)[key], levels - 1)) return true;
  }
  return false;
}
