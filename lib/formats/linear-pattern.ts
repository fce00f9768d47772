/**
 * Regular expressions of tokenizers as a program for `PatternScanner`, whose time is linear in the text: JavaScript's own
 * engine backtracks. Read is the part of the syntax on which Rust's `regex`, Oniguruma and JavaScript agree, and `\s` and
 * `\d` as the first two mean them; `(?i:...)` folds ASCII letters.
 */

/** The sets are indices of `PatternProgram.sets`. */
export type Instruction =
  | { op: "take"; set: number; next: number }
  | { op: "fork"; first: number; second: number }
  /** Goes on where the next character is in the set; the end of the text is in none. */
  | { op: "look"; set: number; wanted: boolean; next: number }
  | { op: "match" };

export interface PatternProgram {
  instructions: readonly Instruction[];
  start: number;
  /** Each matches one character. */
  sets: readonly RegExp[];
}

/** A construct that a pattern has and a program cannot have; the message names it. */
export class UnsupportedPattern extends Error {}

type Node =
  | { kind: "set"; source: string }
  | { kind: "sequence"; parts: Node[] }
  | { kind: "choice"; parts: Node[] }
  | { kind: "repeat"; part: Node; least: number; most: number; greedy: boolean }
  | { kind: "look"; source: string; wanted: boolean };

const MOST_INSTRUCTIONS = 10_000;
const DEEPEST_GROUP = 100;

/** `\s` and `\d` are Unicode's; JavaScript's `\s` has U+FEFF and lacks U+0085. */
const SETS: Readonly<Record<string, string>> = {
  s: "\\p{White_Space}",
  S: "\\P{White_Space}",
  d: "\\p{Nd}",
  D: "\\P{Nd}",
};
const ESCAPE =
  /\\(?:([pP]\{\w+(?:=\w+)?\})|(x[\da-fA-F]{2}|u[\da-fA-F]{4})|[xu]\{([\da-fA-F]{1,6})\}|([sSdD])|([nrtfv])|([^\w\s]))/y;
const QUANTIFIER = /([*+?]|\{(\d+)(,?)(\d*)\})([?+]?)/y;
const SYNTAX = "^$\\.*+?()[]{}|/-";

class Parser {
  private at = 0;
  private depth = 0;
  private fold = false;

  constructor(private readonly pattern: string) {}

  parse(): Node {
    const node = this.choice();
    if (this.at < this.pattern.length) this.refuse(")");
    return node;
  }

  private refuse(what: string): never {
    throw new UnsupportedPattern(`${what} at character ${this.at}`);
  }

  private starts(text: string): boolean {
    return this.pattern.startsWith(text, this.at);
  }

  private choice(): Node {
    const parts = [this.sequence()];
    while (this.starts("|")) {
      this.at++;
      parts.push(this.sequence());
    }
    return parts.length === 1 ? (parts[0] as Node) : { kind: "choice", parts };
  }

  private sequence(): Node {
    const parts: Node[] = [];
    while (this.at < this.pattern.length && !this.starts("|") && !this.starts(")")) {
      parts.push(this.quantified(this.atom()));
    }
    return { kind: "sequence", parts };
  }

  private quantified(part: Node): Node {
    QUANTIFIER.lastIndex = this.at;
    const found = QUANTIFIER.exec(this.pattern);
    if (found === null) return part;
    const [whole, sign = "", from = "", comma, to = "", suffix] = found;
    if (suffix === "+") this.refuse(whole);
    // Engines differ in what becomes of an empty turn.
    if (isNullable(part)) this.refuse(`${whole} after what may match nothing`);
    this.at = QUANTIFIER.lastIndex;
    QUANTIFIER.lastIndex = this.at;
    if (QUANTIFIER.test(this.pattern)) this.refuse("a quantifier of a quantifier");
    const counted = sign.startsWith("{");
    const least = counted ? Number(from) : sign === "+" ? 1 : 0;
    const exact = counted && comma === "" ? least : Infinity;
    const most = sign === "?" ? 1 : to === "" ? exact : Number(to);
    if (most < least) this.refuse(whole);
    return { kind: "repeat", part, least, most, greedy: suffix !== "?" };
  }

  private atom(): Node {
    const character = String.fromCodePoint(this.pattern.codePointAt(this.at) as number);
    if (character === "(") return this.group();
    if (character === "[") return { kind: "set", source: this.characterClass() };
    if (character === "\\") return { kind: "set", source: this.escape() };
    if (character === ".") {
      this.at++;
      return { kind: "set", source: "[^\\n]" };
    }
    if ("^$*+?{}]".includes(character)) this.refuse(character);
    this.at += character.length;
    return { kind: "set", source: this.literal(character) };
  }

  private literal(character: string): string {
    if (this.fold && /^[a-z]$/i.test(character)) {
      return `[${character.toLowerCase()}${character.toUpperCase()}]`;
    }
    return SYNTAX.includes(character) ? `\\${character}` : character;
  }

  private group(): Node {
    if (++this.depth > DEEPEST_GROUP) this.refuse("groups nested too deep");
    const { fold } = this;
    const prefix = ["(?:", "(?i:", "(?=", "(?!"].find((text) => this.starts(text));
    if (prefix === undefined && this.starts("(?")) this.refuse(this.pattern.slice(this.at, this.at + 4));
    this.at += (prefix ?? "(").length;
    if (prefix === "(?i:") this.fold = true;
    const inner = this.choice();
    if (!this.starts(")")) this.refuse("a group without its end");
    this.at++;
    this.depth--;
    this.fold = fold;
    if (prefix !== "(?=" && prefix !== "(?!") return inner;
    const [only, ...others] = inner.kind === "sequence" ? inner.parts : [inner];
    if (only?.kind !== "set" || others.length > 0) {
      this.refuse("a lookahead of other than one character");
    }
    return { kind: "look", source: only.source, wanted: prefix === "(?=" };
  }

  /** One escape, as JavaScript writes it. */
  private escape(): string {
    ESCAPE.lastIndex = this.at;
    const found = ESCAPE.exec(this.pattern);
    if (found === null) this.refuse(this.pattern.slice(this.at, this.at + 2));
    const [whole, property, fixed, braced, set, control, sign] = found;
    if (this.fold && (fixed ?? braced) !== undefined) this.refuse(`${whole} in (?i:`);
    this.at = ESCAPE.lastIndex;
    if (set !== undefined) return SETS[set] as string;
    if (braced !== undefined) return `\\u{${braced}}`;
    if (sign !== undefined) return SYNTAX.includes(sign) ? `\\${sign}` : sign;
    return `\\${property ?? fixed ?? control ?? ""}`;
  }

  private characterClass(): string {
    if (this.fold) this.refuse("a class in (?i:");
    const start = this.at++;
    let source = "[";
    if (this.starts("^")) {
      this.at++;
      source += "^";
    }
    if (this.starts("]")) this.refuse("an empty class");
    while (!this.starts("]")) {
      if (this.at >= this.pattern.length) {
        this.at = start;
        this.refuse("a class without its end");
      }
      if (this.starts("[") || this.starts("&&") || this.starts("--") || this.starts("~~")) {
        this.refuse("a class within a class");
      }
      if (this.starts("\\")) {
        source += this.escape();
      } else {
        source += this.pattern[this.at];
        this.at++;
      }
    }
    this.at++;
    return `${source}]`;
  }
}

function isNullable(node: Node): boolean {
  switch (node.kind) {
    case "set":
      return false;
    case "look":
      return true;
    case "sequence":
      return node.parts.every(isNullable);
    case "choice":
      return node.parts.some(isNullable);
    case "repeat":
      return node.least === 0 || isNullable(node.part);
  }
}

class Compiler {
  readonly instructions: Instruction[] = [];
  readonly sets: RegExp[] = [];
  private readonly known = new Map<string, number>();

  emit(node: Node, next: number): number {
    switch (node.kind) {
      case "set":
        return this.push({ op: "take", set: this.set(node.source), next });
      case "look":
        return this.push({ op: "look", set: this.set(node.source), wanted: node.wanted, next });
      case "sequence":
        return node.parts.reduceRight((after, part) => this.emit(part, after), next);
      case "choice":
        return node.parts
          .map((part) => this.emit(part, next))
          .reduceRight((second, first) => this.push({ op: "fork", first, second }));
      case "repeat":
        return this.repeat(node, next);
    }
  }

  push(instruction: Instruction): number {
    if (this.instructions.length >= MOST_INSTRUCTIONS) throw new UnsupportedPattern("too many repetitions");
    return this.instructions.push(instruction) - 1;
  }

  private repeat({ part, least, most, greedy }: Node & { kind: "repeat" }, next: number): number {
    const fork = (body: number): { first: number; second: number } =>
      greedy ? { first: body, second: next } : { first: next, second: body };
    let entry = next;
    if (most === Infinity) {
      const loop = { op: "fork" as const, first: next, second: next };
      entry = this.push(loop);
      Object.assign(loop, fork(this.emit(part, entry)));
    } else {
      for (let i = least; i < most; i++) entry = this.push({ op: "fork", ...fork(this.emit(part, entry)) });
    }
    for (let i = 0; i < least; i++) entry = this.emit(part, entry);
    return entry;
  }

  private set(source: string): number {
    const known = this.known.get(source);
    if (known !== undefined) return known;
    try {
      this.sets.push(new RegExp(`^(?:${source})$`, "su"));
    } catch {
      throw new UnsupportedPattern(source);
    }
    this.known.set(source, this.sets.length - 1);
    return this.sets.length - 1;
  }
}

/** @throws UnsupportedPattern where the pattern has what a program cannot, or may match nothing */
export function compileLinear(pattern: string): PatternProgram {
  const node = new Parser(pattern).parse();
  if (isNullable(node)) throw new UnsupportedPattern("a match of no character");
  const compiler = new Compiler();
  const start = compiler.emit(node, compiler.push({ op: "match" }));
  return { instructions: compiler.instructions, start, sets: compiler.sets };
}
