/**
 * The little of Python's expression syntax that generated programs need, as a tree, so that one program can be
 * written in several styles and described in English.
 */
export type Node =
  | { kind: "table"; name: string }
  /** The table that the step is applied to, as in `_.count()`. */
  | { kind: "self" }
  /** `ofTable` is set while the column may still be written `table.name`; `always` when it must be. */
  | { kind: "column"; name: string; ofTable?: string; always?: boolean }
  /** A column named by a string, as in `group_by("region")`. */
  | { kind: "name"; name: string }
  | { kind: "literal"; value: string | number | boolean | null }
  | { kind: "list"; items: Node[] }
  | { kind: "tuple"; items: Node[] }
  /** `target` null means a function of the module: `ibis.desc(...)`. */
  | { kind: "call"; target: Node | null; name: string; args: Node[]; named: [name: string, value: Node][] }
  | { kind: "binary"; op: BinaryOp; left: Node; right: Node }
  | { kind: "not"; operand: Node };

export type BinaryOp = "|" | "&" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "+" | "-" | "*" | "/" | "%";

/** How columns and strings are written. */
export interface Style {
  /** `_.x` or `_["x"]`, and where the table still has the column `t.x` or `t["x"]`. */
  column: "deferred" | "deferred_item" | "attribute" | "item";
  quote: '"' | "'";
}

/** The one style of every answer that the model learns to write. */
export const CANONICAL: Style = { column: "deferred", quote: '"' };

export const call = (
  target: Node | null,
  name: string,
  args: Node[] = [],
  named: [string, Node][] = [],
): Node => ({
  kind: "call",
  target,
  name,
  args,
  named,
});
export const literal = (value: string | number | boolean | null): Node => ({ kind: "literal", value });
export const nameOf = (name: string): Node => ({ kind: "name", name });
export const binary = (op: BinaryOp, left: Node, right: Node): Node => ({ kind: "binary", op, left, right });

/** Python's binding strength; calls and attributes bind tightest. */
const STRENGTH: Record<BinaryOp, number> = {
  "==": 1,
  "!=": 1,
  "<": 1,
  "<=": 1,
  ">": 1,
  ">=": 1,
  "|": 2,
  "&": 3,
  "+": 4,
  "-": 4,
  "*": 5,
  "/": 5,
  "%": 5,
};
const UNARY = 6;
const POSTFIX = 7;

/** Attributes that Table itself has, so that `t.count` is not the column. */
const TABLE_ATTRIBUTES = new Set([
  "count",
  "schema",
  "columns",
  "view",
  "sample",
  "schema",
  "topk",
  "info",
  "limit",
]);

export function writeString(value: string, quote: '"' | "'"): string {
  return quote + value.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`) + quote;
}

function strength(node: Node): number {
  if (node.kind === "binary") return STRENGTH[node.op];
  return node.kind === "not" ? UNARY : POSTFIX;
}

function writeColumn(name: string, ofTable: string | undefined, style: Style): string {
  const written = writeString(name, style.quote);
  if (style.column === "deferred" || style.column === "deferred_item" || ofTable === undefined) {
    return style.column === "deferred_item" ? `_[${written}]` : `_.${name}`;
  }
  return style.column === "item" || TABLE_ATTRIBUTES.has(name)
    ? `${ofTable}[${written}]`
    : `${ofTable}.${name}`;
}

/** The program's text. */
export function write(node: Node, style: Style = CANONICAL): string {
  const nested = (child: Node, least: number): string =>
    strength(child) < least ? `(${write(child, style)})` : write(child, style);
  switch (node.kind) {
    case "table":
      return node.name;
    case "self":
      return "_";
    case "column": {
      const qualified = node.always === true && style.column.startsWith("deferred");
      return writeColumn(node.name, node.ofTable, qualified ? { ...style, column: "attribute" } : style);
    }
    case "name":
      return writeString(node.name, style.quote);
    case "literal":
      if (typeof node.value === "string") return writeString(node.value, style.quote);
      if (typeof node.value === "boolean") return node.value ? "True" : "False";
      return node.value === null ? "None" : String(node.value);
    case "list":
      return `[${node.items.map((item) => write(item, style)).join(", ")}]`;
    case "tuple":
      return `(${node.items.map((item) => write(item, style)).join(", ")})`;
    case "call": {
      const args = [
        ...node.args.map((arg) => write(arg, style)),
        ...node.named.map(([name, value]) => `${name}=${write(value, style)}`),
      ];
      const target = node.target === null ? "ibis" : nested(node.target, POSTFIX);
      return `${target}.${node.name}(${args.join(", ")})`;
    }
    case "binary": {
      const own = STRENGTH[node.op];
      // Python chains comparisons, so neither side of one may be a bare comparison; other operators lean left.
      const left = nested(node.left, own === 1 ? 2 : own);
      return `${left} ${node.op} ${nested(node.right, own + 1)}`;
    }
    case "not":
      return `~${nested(node.operand, UNARY)}`;
  }
}

/** The calls from the root table outwards: `t.a().b()` gives `[a, b]`. */
export function chainOf(program: Node): Extract<Node, { kind: "call" }>[] {
  const steps: Extract<Node, { kind: "call" }>[] = [];
  for (let node: Node | null = program; node?.kind === "call"; node = node.target) steps.unshift(node);
  return steps;
}
