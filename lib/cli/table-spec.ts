/** Tables as the command line has them, in DDL's way: `sales.orders("unit price" float64, tags array<string>)`. */
import { refuseRepeated, tableName } from "../dsl/table-name.js";
import { IBertError } from "../errors.js";

const BARE = /[\p{L}\p{M}\p{N}_$]+/uy;
// What opens a quoted name, its text, and what closes it; the closing character doubled stands for itself.
const QUOTED: readonly [RegExp, close: string][] = [
  [/"((?:[^"]|"")*)"/y, '"'],
  [/`((?:[^`]|``)*)`/y, "`"],
  [/\[((?:[^\]]|\]\])*)\]/y, "]"],
];
const CLOSING: Record<string, string> = { "(": ")", "<": ">", "[": "]" };

const EXAMPLE =
  'Write it as "orders(region string, amount float64)"; names of other characters go in double quotes.';

/**
 * `orders(region string, amount decimal(12, 2))` as the table's name and its columns.
 * @throws IBertError `table-invalid` naming what stands where something else belongs; `column-repeated`.
 */
export function parseTable(text: string): [name: string, columns: Record<string, string>] {
  const reader = new Reader(text);
  const parts = [reader.name("a table's name")];
  while (reader.take(".")) parts.push(reader.name(`a name after "${parts.join(".")}."`));
  const name = tableName(parts);
  if (parts.length > 3) reader.fail(`${name} has ${parts.length} parts, not catalog.database.table`);
  if (!reader.take("(")) reader.fail(`no "(" after the table's name`);
  const columns: [name: string, type: string][] = [];
  do {
    const column = reader.name("a column's name");
    reader.take(":");
    columns.push([column, reader.type(column)]);
  } while (reader.take(","));
  if (!reader.take(")")) reader.fail(`no ")" at the end of the columns`);
  if (!reader.atEnd()) reader.fail(`something after the closing ")": ${JSON.stringify(reader.rest())}`);
  refuseRepeated(
    columns.map(([column]) => column),
    (problem) =>
      new IBertError(
        "column-repeated",
        `--table ${JSON.stringify(text)}: table ${name}: ${problem("column")}`,
      ),
  );
  return [name, Object.fromEntries(columns)];
}

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  fail(problem: string): never {
    throw new IBertError("table-invalid", `--table ${JSON.stringify(this.text)}: ${problem}`, {
      hint: EXAMPLE,
    });
  }

  rest(): string {
    return this.text.slice(this.at).trim();
  }

  atEnd(): boolean {
    return this.rest() === "";
  }

  take(character: string): boolean {
    this.skipSpace();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  name(wanted: string): string {
    this.skipSpace();
    const bare = this.match(BARE);
    if (bare !== undefined) return bare[0];
    for (const [pattern, close] of QUOTED) {
      const quoted = this.match(pattern)?.[1]?.replaceAll(close + close, close);
      if (quoted === "") this.fail(`${wanted} is empty`);
      if (quoted !== undefined) return quoted;
    }
    const found = this.rest();
    return this.fail(`${wanted} is missing${found === "" ? "" : ` before ${JSON.stringify(found)}`}`);
  }

  /** What stands up to a comma or the end of the columns: `decimal(12, 2)` and `map<string, int64>` stay whole. */
  type(column: string): string {
    const start = this.at;
    const open: string[] = [];
    for (; this.at < this.text.length; this.at++) {
      const character = this.text[this.at] as string;
      if (character === "'" || character === '"') {
        const end = this.text.indexOf(character, this.at + 1);
        if (end < 0) this.fail(`column ${JSON.stringify(column)}: a ${character} without its end`);
        this.at = end;
      } else if (character in CLOSING) {
        open.push(CLOSING[character] as string);
      } else if (open.length === 0 && (character === "," || character === ")")) {
        break;
      } else if (")>]".includes(character) && open.pop() !== character) {
        this.fail(`column ${JSON.stringify(column)}: a "${character}" that nothing opened`);
      }
    }
    if (open.length > 0) this.fail(`column ${JSON.stringify(column)}: no "${open.at(-1)}" in its type`);
    const type = this.text.slice(start, this.at).trim();
    if (type === "") this.fail(`column ${JSON.stringify(column)} has no type`);
    return type;
  }

  private skipSpace(): void {
    while (/\s/.test(this.text[this.at] ?? "")) this.at++;
  }

  private match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text) ?? undefined;
    if (found !== undefined) this.at = pattern.lastIndex;
    return found;
  }
}
