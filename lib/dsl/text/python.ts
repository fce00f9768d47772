/**
 * Python programs as a model reads them: the program's own tokens in their order, without comments, one logical line a
 * line. Strings, and the spaces within a line, stay as they were typed.
 */
import { lexPython, type PythonPiece } from "./python-lexer.js";

const OPENING = new Set(["(", "[", "{"]);
const CLOSING = new Set([")", "]", "}"]);

interface LogicalLine {
  indent: string;
  text: string;
  isComment?: true;
}

/** A program while its pieces are read. */
class Lines {
  readonly all: LogicalLine[] = [];
  private open: LogicalLine | undefined;
  private before: PythonPiece | undefined;
  private depth = 0;
  /** Since the last token: the spaces, whether the line was broken within a statement, and whether a comment stands open. */
  private space = "";
  private broken = false;
  private comment = false;

  /** `comments`: whether those stay that have a line of their own between statements. */
  constructor(private readonly comments: boolean) {}

  add(piece: PythonPiece): void {
    switch (piece.kind) {
      case "space":
        this.space += piece.text;
        return;
      case "comment": {
        const text = piece.text.replace(/^#+\s*/, "# ").trimEnd();
        if (this.comments && this.open === undefined && text !== "#")
          this.all.push({ indent: this.space, text, isComment: true });
        this.comment = true;
        return;
      }
      case "continuation":
        this.broken = true;
        return;
      case "newline":
        if (this.depth > 0) this.broken = true;
        else this.open = undefined;
        this.space = "";
        this.comment = false;
        return;
      default:
        this.token(piece);
    }
  }

  private token(piece: PythonPiece): void {
    if (this.open === undefined) {
      this.open = { indent: this.space, text: piece.text };
      this.all.push(this.open);
      this.depth = 0;
    } else {
      this.open.text += (this.broken ? this.joint(piece) : this.space) + piece.text;
    }
    if (OPENING.has(piece.text)) this.depth++;
    if (CLOSING.has(piece.text)) this.depth--;
    this.before = piece;
    this.space = "";
    this.broken = false;
  }

  /** What stands in place of a line break before `after`. */
  private joint(after: PythonPiece): string {
    const before = this.before as PythonPiece;
    // A dot after a number would become part of it.
    if (before.kind === "number") return CLOSING.has(after.text) ? "" : " ";
    const tight =
      OPENING.has(before.text) || before.text === "." || CLOSING.has(after.text) || after.text === ".";
    return tight ? "" : " ";
  }

  /** What stands after the last token, so far as it matters to what is written next. */
  get tail(): string {
    const within = this.depth > 0 || this.broken;
    if (this.open === undefined) return this.all.length === 0 ? this.space : `\n${this.space}`;
    if (this.comment) return within ? " " : "\n";
    return this.broken ? " " : this.space;
  }
}

function read(program: string, comments = false): Lines {
  const lines = new Lines(comments);
  for (const piece of lexPython(program)) lines.add(piece);
  return lines;
}

function write(lines: readonly LogicalLine[]): string {
  // What all lines are indented by says where the program was copied from, not what it does.
  const code = lines.filter(({ isComment }) => isComment !== true);
  let common = code[0]?.indent ?? "";
  for (const { indent } of code) while (!indent.startsWith(common)) common = common.slice(0, -1);
  return lines
    .map(({ indent, text }) => indent.slice(Math.min(indent.length, common.length)) + text)
    .join("\n");
}

/** What else a normal form keeps. */
export interface NormalFormOptions {
  /** Comments that have a line of their own between statements: they may say what is meant. */
  comments?: boolean;
}

/** A whole program; line ends are "\n". Its tokens are those of `program`, and normalising again changes nothing. */
export function normalisePython(program: string, { comments }: NormalFormOptions = {}): string {
  return write(read(program, comments).all);
}

/**
 * The beginning of a program, which is to be gone on with: as `normalisePython`, and what stands after the last token
 * is kept so far as it matters.
 */
export function normalisePythonPrefix(prefix: string, { comments }: NormalFormOptions = {}): string {
  const lines = read(prefix, comments);
  return write(lines.all) + lines.tail;
}

/** Whether what is written after `program` would belong to a comment. */
export function endsInComment(program: string): boolean {
  return lexPython(program).at(-1)?.kind === "comment";
}
