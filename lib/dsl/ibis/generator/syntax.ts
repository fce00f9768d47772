import { isAttribute, isKeyword } from "./python-names.js";

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
  /** A column named by a string, as in `drop("region")`; with `key` it may be written as the column too. */
  | { kind: "name"; name: string; key?: { ofTable?: string } }
  /** A column of a table that is not the step's own: `customers.filter(…).customer_id`. */
  | { kind: "field"; table: Node; name: string }
  | { kind: "literal"; value: string | number | boolean | null }
  | { kind: "list"; items: Node[] }
  | { kind: "tuple"; items: Node[] }
  /** `target` null means a function of the module: `ibis.desc(...)`. */
  | { kind: "call"; target: Node | null; name: string; args: Node[]; named: [name: string, value: Node][] }
  | { kind: "binary"; op: BinaryOp; left: Node; right: Node }
  | { kind: "not"; operand: Node }
  | TemplateNode;

/** Text with nodes between its parts: `parts[0]`, `holes[0]`, `parts[1]` … A hole that is a receiver or operand is put in
 * brackets where it needs them. */
export interface TemplateNode {
  kind: "template";
  parts: readonly string[];
  holes: readonly Node[];
  /** The first hole is the table that this is a step of. */
  step: boolean;
  /** Members of the API that the text calls, as `owner.name`. */
  covers: readonly string[];
}

export type BinaryOp = "|" | "&" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "+" | "-" | "*" | "/" | "%";

/**
 * How columns are written: `_.x` or `_["x"]`; where the table still has the column `t.x` or `t["x"]`; `lambda t: t.x` or
 * `lambda t: t["x"]`. A name that Python or the table has itself is always the item.
 */
export const COLUMN_FORMS = [
  "deferred",
  "deferred_item",
  "attribute",
  "item",
  "lambda",
  "lambda_item",
] as const;
export type ColumnForm = (typeof COLUMN_FORMS)[number];

/** How columns and strings are written. */
export interface Style {
  column: ColumnForm;
  quote: '"' | "'";
  /** Keys of groups and orders are written as columns, not as strings. */
  keys?: "column";
  spelling?: Spelling;
}

/** Other spellings of the same steps: names that older programs have, and functions of the module in place of methods. */
export const SPELLINGS = ["other_names", "functions"] as const;
export type Spelling = (typeof SPELLINGS)[number];

const OTHER_NAMES: Readonly<Record<string, string>> = {
  agg: "aggregate",
  select: "projection",
  fill_null: "fillna",
  drop_null: "dropna",
};

const isGrouping = (node: Node): boolean =>
  node.kind === "call" && (node.name === "group_by" || node.name === "having");

/** Of a call: what stands before its arguments, where the style spells it in another way than the answers do. */
function spelt(target: Node, name: string, { spelling }: Style): { name: string; isFunction: boolean } {
  if (spelling === "other_names") {
    const other = name === "count" && isGrouping(target) ? "size" : OTHER_NAMES[name];
    const isOne = isTable(target) ? other : name === "fill_null" ? other : undefined;
    return { name: isOne ?? name, isFunction: false };
  }
  const isFunction = ["join", "cross_join", "agg"].includes(name) && isTable(target) && !isGrouping(target);
  return spelling === "functions" && isFunction
    ? { name: name === "agg" ? "aggregate" : name, isFunction }
    : { name, isFunction: false };
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
/** A column of a group, an order or a selection: a string, or the column itself. */
export const keyOf = ({ name, ofTable }: { name: string; ofTable?: string }): Node => ({
  kind: "name",
  name,
  key: ofTable === undefined ? {} : { ofTable },
});
export const listOf = (items: Node[]): Node => ({ kind: "list", items });
export const tupleOf = (items: Node[]): Node => ({ kind: "tuple", items });

/** Text that is the same in every style, with nodes between its parts. */
export const verbatim = (parts: readonly string[], holes: Node[] = [], covers: string[] = []): Node => ({
  kind: "template",
  parts,
  holes,
  step: false,
  covers,
});

/** `{"a": 1, "b": 2}` */
export const mapping = (entries: readonly (readonly [name: string, value: Node])[]): Node =>
  verbatim(
    ["{", ...entries.flatMap((_, i) => [": ", i < entries.length - 1 ? ", " : "}"])],
    entries.flatMap(([name, value]) => [literal(name), value]),
  );

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
/** `5.abs()` is no Python. */
const NUMBER = 6.5;

export function writeString(value: string, quote: '"' | "'"): string {
  const raw = /\\/.test(value) && !value.includes(quote) && !/\\$|[\n\r\t]/.test(value);
  if (raw) return `r${quote}${value}${quote}`;
  const escaped = value
    .replaceAll("\\", "\\\\")
    .replaceAll(quote, `\\${quote}`)
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t");
  return quote + escaped + quote;
}

function strength(node: Node): number {
  if (node.kind === "binary") return STRENGTH[node.op];
  if (node.kind === "literal" && typeof node.value === "number") return node.value < 0 ? UNARY : NUMBER;
  return node.kind === "not" ? UNARY : POSTFIX;
}

/** The table's variable inside a lambda, which must not hide a table that the program names. */
const LAMBDA_NAMES = ["t", "r", "tbl"] as const;

interface Writing {
  style: Style;
  /** The parameter of the lambda around the expression. */
  parameter?: string;
}

const isLambda = ({ column }: Style): boolean => column === "lambda" || column === "lambda_item";

/** `ofTable` is set where the table still has the column. */
function writeColumn(name: string, ofTable: string | undefined, { style, parameter }: Writing): string {
  const named = style.column === "attribute" || style.column === "item";
  const receiver = parameter ?? (named ? ofTable : undefined) ?? "_";
  const isItem =
    style.column === "deferred_item" ||
    style.column === "lambda_item" ||
    (style.column === "item" && receiver !== "_");
  return isItem || !isAttribute(name)
    ? `${receiver}[${writeString(name, style.quote)}]`
    : `${receiver}.${name}`;
}

function some(node: Node, test: (node: Node) => boolean): boolean {
  return test(node) || childrenOf(node).some((child) => some(child, test));
}

/** The nodes directly inside one. */
export function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case "list":
    case "tuple":
      return node.items;
    case "call":
      return [
        ...(node.target === null ? [] : [node.target]),
        ...node.args,
        ...node.named.map(([, value]) => value),
      ];
    case "binary":
      return [node.left, node.right];
    case "not":
      return [node.operand];
    case "template":
      return node.holes;
    case "field":
      return [node.table];
    default:
      return [];
  }
}

/** Functions of the module that give a table. */
const TABLE_FUNCTIONS = new Set(["union", "intersect", "difference"]);

/** Whether the node is a table: the root, or a step on one. */
export function isTable(node: Node): boolean {
  if (node.kind === "table") return true;
  if (node.kind === "template") return node.step;
  if (node.kind !== "call") return false;
  return node.target === null ? TABLE_FUNCTIONS.has(node.name) : isTable(node.target);
}

/** A join of two tables, to which Ibis gives a class of its own: those that only choose rows of the left one are none. */
export const isJoin = (node: Node): boolean =>
  node.kind === "call" && /(^|_)join$/.test(node.name) && !/^(semi|anti)/.test(node.name) && isTable(node);

/** An expression whose columns have no table of their own: in the lambda styles it becomes a function of the table. */
function isDeferred(node: Node): boolean {
  if (isTable(node) || node.kind === "field") return false;
  if (node.kind === "self" || (node.kind === "column" && node.always !== true)) return true;
  return childrenOf(node).some(isDeferred);
}

/** The program's text. */
export function write(node: Node, style: Style = CANONICAL): string {
  return writeNode(node, { style });
}

/** An argument of a step. */
function writeArgument(node: Node, writing: Writing, program: Node): string {
  if (!isLambda(writing.style) || writing.parameter !== undefined || !isDeferred(node)) {
    return writeNode(node, writing);
  }
  if (node.kind === "list")
    return `[${node.items.map((item) => writeArgument(item, writing, program)).join(", ")}]`;
  const hidden = (name: string): boolean => some(program, (n) => n.kind === "table" && n.name === name);
  const parameter = LAMBDA_NAMES.find((name) => !hidden(name)) ?? "row";
  return `lambda ${parameter}: ${writeNode(node, { ...writing, parameter })}`;
}

function writeNode(node: Node, writing: Writing): string {
  const { style } = writing;
  const nested = (child: Node, least: number): string =>
    strength(child) < least ? `(${writeNode(child, writing)})` : writeNode(child, writing);
  const all = (nodes: readonly Node[]): string[] => nodes.map((item) => writeNode(item, writing));
  switch (node.kind) {
    case "table":
      return node.name;
    case "self":
      return writing.parameter ?? "_";
    case "column": {
      if (node.always !== true) return writeColumn(node.name, node.ofTable, writing);
      const item = style.column === "item" || style.column.endsWith("_item");
      return writeColumn(node.name, node.ofTable, {
        style: { ...style, column: item ? "item" : "attribute" },
      });
    }
    case "field": {
      // What is asked of another table is no function of the table around.
      const table = writeNode(node.table, { style });
      return isAttribute(node.name) && style.column !== "item"
        ? `${table}.${node.name}`
        : `${table}[${writeString(node.name, style.quote)}]`;
    }
    case "name":
      return style.keys === "column" && node.key !== undefined && !isLambda(style)
        ? writeColumn(node.name, node.key.ofTable, writing)
        : writeString(node.name, style.quote);
    case "literal":
      if (typeof node.value === "string") return writeString(node.value, style.quote);
      if (typeof node.value === "boolean") return node.value ? "True" : "False";
      return node.value === null ? "None" : String(node.value);
    case "list":
      return `[${all(node.items).join(", ")}]`;
    case "tuple":
      return `(${all(node.items).join(", ")}${node.items.length === 1 ? "," : ""})`;
    case "call": {
      const args = writeArguments(node, writing);
      if (node.target === null) return `ibis.${node.name}(${args.join(", ")})`;
      const { name, isFunction } = spelt(node.target, node.name, style);
      const target = nested(node.target, POSTFIX);
      return isFunction
        ? `ibis.${name}(${[target, ...args].join(", ")})`
        : `${target}.${name}(${args.join(", ")})`;
    }
    case "binary": {
      const own = STRENGTH[node.op];
      // Python chains comparisons, so neither side of one may be a bare comparison; other operators lean left.
      const left = nested(node.left, own === 1 ? 2 : own);
      return `${left} ${node.op} ${nested(node.right, own + 1)}`;
    }
    case "not":
      return style.spelling === "other_names"
        ? `${nested(node.operand, POSTFIX)}.negate()`
        : `~${nested(node.operand, UNARY)}`;
    case "template":
      return writeTemplate(node, writing);
  }
}

/** New columns whose names are no keywords go through a mapping, together with all behind them. */
function writeArguments(node: Extract<Node, { kind: "call" }>, writing: Writing): string[] {
  const isStep = node.target !== null && isTable(node.target);
  const argument = (value: Node): string =>
    isStep ? writeArgument(value, writing, node) : writeNode(value, writing);
  const plain = node.named.every(([name]) => isKeyword(node.name, name));
  const named = node.named.map(([name, value]) => [name, argument(value)] as const);
  const mapping = (): string =>
    `**{${named.map(([name, value]) => `${writeString(name, writing.style.quote)}: ${value}`).join(", ")}}`;
  return [
    ...node.args.map(argument),
    ...(plain ? named.map(([name, value]) => `${name}=${value}`) : [mapping()]),
  ];
}

function writeTemplate({ parts, holes, step }: TemplateNode, writing: Writing): string {
  let text = parts[0] ?? "";
  holes.forEach((hole, i) => {
    const after = parts[i + 1] ?? "";
    const alone = /(^|[([{,=:] ?)$/.test(text) && /^($|[)\]},])/.test(after);
    const isArgument = step && i > 0;
    const inner = isArgument && alone ? writeArgument(hole, writing, hole) : writeNode(hole, writing);
    const isPlain = hole.kind === "literal" && typeof hole.value === "number" && hole.value >= 0;
    if (isPlain && !/^[.[]/.test(after)) {
      text += inner + after;
      return;
    }
    const loose = alone && !(i === 0 && holes.length === 1 && parts.join("") === "");
    const constant = strength(hole) === NUMBER && !after.startsWith(".");
    text += (loose || constant || strength(hole) >= POSTFIX ? inner : `(${inner})`) + after;
  });
  return text;
}

export type Step = Extract<Node, { kind: "call" | "field" }> | TemplateNode;

/** The steps from the root table outwards: `t.a().b()` gives `[a, b]`. */
export function chainOf(program: Node): Step[] {
  const steps: Step[] = [];
  for (let node: Node | null = program; node !== null;) {
    if (node.kind === "call") {
      steps.unshift(node);
      node = node.target;
    } else if (node.kind === "field") {
      steps.unshift(node);
      node = node.table;
    } else if (node.kind === "template" && node.step) {
      steps.unshift(node);
      node = node.holes[0] ?? null;
    } else break;
  }
  return steps;
}
