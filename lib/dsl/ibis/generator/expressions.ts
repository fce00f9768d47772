import type { Random } from "../../../data/random.js";
import {
  DATE_UNITS,
  PREDICATE_METHODS,
  REDUCTIONS,
  SCALAR_METHODS,
  methodName,
  pickMethod,
  type Argument,
  type MethodSpec,
} from "./methods.js";
import type { Range } from "./domains/parse.js";
import type { Column, Kind } from "./schemas.js";
import {
  columnNode,
  isDate,
  isKey,
  isMeasure,
  isNumber,
  isPlain,
  isSpecial,
  pickColumn,
  spoken,
  stem,
  type Condition,
  type Expression,
  type ScopeColumn,
} from "./scope.js";
import { fromTemplates } from "./templates.js";
import {
  DAY_TEMPLATES,
  PREDICATE_TEMPLATES,
  REDUCTION_TEMPLATES,
  SCALAR_TEMPLATES,
  WINDOW_TEMPLATES,
} from "./values/index.js";
import { withParts } from "./values/parts.js";
import type { ValueTemplate } from "./values/template.js";
import { binary, call, childrenOf, literal, type BinaryOp, type Node } from "./syntax.js";
import { PIECES, literalFor, numberIn, rangeOf } from "./literals.js";

const say = (value: string | number | boolean): string =>
  typeof value === "string" ? `"${value}"` : String(value);

function argumentFor(random: Random, argument: Argument, column: Column): string | number | boolean {
  switch (argument) {
    case "digits":
      return random.between(1, 3);
    case "length":
      return random.between(2, 5);
    case "start":
      return random.between(0, 3);
    case "width":
      return random.between(6, 12);
    case "piece":
    case "other_piece":
      return random.pick(PIECES);
    case "pattern":
      return random.pick([`${random.pick(PIECES)}%`, `%${random.pick(PIECES)}`, `%${random.pick(PIECES)}%`]);
    case "value":
      return column.kind === "str" ? random.pick(["unknown", "none", "other"]) : 0;
    case "date_unit":
      return random.pick(column.kind === "date" ? ["Y", "Q", "M", "W"] : ["Y", "Q", "M", "W", "D"]);
    case "format":
      return random.pick(["%Y-%m", "%Y", "%d.%m.%Y", "%m/%d"]);
  }
}

/** `method` called on a column, with drawn arguments. */
export function applyMethod(
  random: Random,
  spec: MethodSpec,
  column: ScopeColumn,
  subject?: Node,
): Expression {
  const values = spec.args.map((argument) => argumentFor(random, argument, column));
  const english = spec.english.replace("{}", spoken(column)).replace(/\{(\d)\}/g, (_, i: string) => {
    const value = values[Number(i)] as string | number | boolean;
    return spec.args[Number(i)] === "date_unit" ? (DATE_UNITS[String(value)] ?? say(value)) : say(value);
  });
  return {
    node: call(subject ?? columnNode(column), methodName(spec), values.map(literal)),
    kind: spec.returns === "same" ? column.kind : spec.returns,
    english,
    name: `${stem(column)}_${spec.suffix}`,
  };
}

const COMPARISONS: readonly (readonly [op: BinaryOp, english: string, dateEnglish: string])[] = [
  [">", "is above", "is after"],
  ["<", "is below", "is before"],
  [">=", "is at least", "is on or after"],
  ["<=", "is at most", "is on or before"],
];

function comparison(random: Random, column: ScopeColumn): Condition {
  const node = columnNode(column);
  const name = spoken(column);
  if (column.kind === "bool") {
    return random.chance(0.7) ? { node, english: `${name} is true` } : notTrue(node, name);
  }
  const value = literalFor(random, column);
  if (column.kind === "str" || isKey(column) || (column.kind === "int" && random.chance(0.2))) {
    const [op, english] = random.weighted<readonly [BinaryOp, string]>([
      [3, ["==", "is"]],
      [1, ["!=", "is not"]],
    ]);
    return { node: binary(op, node, literal(value)), english: `${name} ${english} ${say(value)}` };
  }
  const [op, english, dateEnglish] = random.pick(COMPARISONS);
  const verb = isDate(column.kind) ? dateEnglish : english;
  return { node: binary(op, node, literal(value)), english: `${name} ${verb} ${say(value)}` };
}

const notTrue = (node: Node, name: string): Condition => ({
  node: { kind: "not", operand: node },
  english: `${name} is false`,
});

/** How often an expression is about a column of a type of its own, where there is one. */
const SPECIAL_SHARE = 0.45;

/** Of one of the columns that only templates know what to do with, now and then; always where there are no others. */
function ofSpecial(
  random: Random,
  templates: readonly ValueTemplate[],
  columns: readonly ScopeColumn[],
): Expression | undefined {
  const special = columns.filter(isSpecial);
  const alone = special.length === columns.length;
  if (special.length === 0 || (!alone && !random.chance(SPECIAL_SHARE))) return undefined;
  const made = fromTemplates(random, templates, special);
  if (made !== undefined || !alone) return made;
  const column = random.pick(special);
  return {
    node: call(columnNode(column), "notnull"),
    kind: "bool",
    english: `${spoken(column)} is known`,
    name: `${stem(column)}_known`,
  };
}

/** One condition on one column. */
function simpleCondition(random: Random, scope: readonly ScopeColumn[], easy: boolean): Condition {
  const special = ofSpecial(random, PREDICATE_TEMPLATES, scope);
  if (special !== undefined) return special;
  const columns = withParts(random, scope).filter(isPlain);
  const plain = columns.filter((column) => !isKey(column));
  const column = random.pick(plain.length > 0 && random.chance(0.95) ? plain : columns);
  const form = random.float();
  if (column.kind === "str" && column.values.length === 0) {
    return applyMethod(random, pickMethod(random, PREDICATE_METHODS, column, easy) as MethodSpec, column);
  }
  if (!easy && isDate(column.kind) && form < 0.12) {
    return fromTemplates(random, DAY_TEMPLATES, [column]) ?? comparison(random, column);
  }
  if (form < 0.6 || column.kind === "bool") return comparison(random, column);
  if (form < 0.72 && (column.kind === "str" || column.kind === "int")) {
    const values = [...new Set([literalFor(random, column), literalFor(random, column)])];
    const list: Node = { kind: "list", items: values.map(literal) };
    const negated = !easy && random.chance(0.3);
    return {
      node: call(columnNode(column), negated ? "notin" : "isin", [list]),
      english: `${spoken(column)} is ${negated ? "neither" : "one of"} ${values.map(say).join(" or ")}`,
    };
  }
  if (form < 0.82 && isMeasure(column)) {
    const low = numberIn(random, column, 0.05, 0.45);
    const high = numberIn(random, column, 0.55, 0.95);
    if (low >= high) return comparison(random, column);
    return {
      node: call(columnNode(column), "between", [literal(low), literal(high)]),
      english: `${spoken(column)} is between ${low} and ${high}`,
    };
  }
  const spec = pickMethod(random, PREDICATE_METHODS, column, easy);
  return spec === undefined ? comparison(random, column) : applyMethod(random, spec, column);
}

/** Whether the expression has the column in it. */
export const mentions = (node: Node, name: string): boolean =>
  (node.kind === "column" && node.name === name) || childrenOf(node).some((child) => mentions(child, name));

/** A condition; in the full profile also two joined by and, or, not. */
export function condition(random: Random, columns: readonly ScopeColumn[], easy: boolean): Condition {
  const first = simpleCondition(random, columns, easy);
  if (!random.chance(easy ? 0.15 : 0.3)) return first;
  // Two conditions on one column may contradict each other.
  const others = columns.filter((column) => !mentions(first.node, column.name));
  if (others.length === 0) return first;
  const second = simpleCondition(random, others, easy);
  const and = random.chance(0.6);
  return {
    node: binary(and ? "&" : "|", first.node, second.node),
    english: `${first.english} ${and ? "and" : "or"} ${second.english}`,
  };
}

/** Factors and shifts that people use, by what is scaled. */
const SCALES: Readonly<
  Record<"whole" | "real", readonly (readonly [op: BinaryOp, by: number, suffix: string])[]>
> = {
  whole: [
    ["*", 2, "scaled"],
    ["+", 1, "plus"],
    ["-", 1, "minus"],
    ["/", 10, "ratio"],
    ["/", 60, "ratio"],
    ["%", 10, "rest"],
  ],
  real: [
    ["*", 1.1, "scaled"],
    ["*", 0.9, "scaled"],
    ["*", 1.5, "scaled"],
    ["/", 100, "ratio"],
    ["/", 1000, "ratio"],
    ["*", 100, "scaled"],
  ],
};

const ARITHMETIC_ENGLISH: Partial<Record<BinaryOp, string>> = {
  "*": "times",
  "+": "plus",
  "-": "minus",
  "/": "divided by",
  "%": "modulo",
};

/** Two measures that are of a kind are compared; a price and a count make a total. */
function arithmetic(random: Random, columns: readonly ScopeColumn[], column: ScopeColumn): Expression {
  const say = (op: BinaryOp): string => `${spoken(column)} ${ARITHMETIC_ENGLISH[op] ?? op}`;
  const others = columns.filter((c) => c.name !== column.name && isMeasure(c));
  const other = others.length > 0 && random.chance(0.5) ? random.pick(others) : undefined;
  if (other !== undefined) {
    const alike = other.role === column.role && other.kind === column.kind;
    const makesTotal = [column.role, other.role].sort().join() === "count,money";
    const op = alike ? random.pick(["-", "-", "+", "/"] as const) : makesTotal ? "*" : "/";
    const suffix = { "-": "minus", "+": "plus", "/": "per", "*": "times" }[op];
    return {
      node: binary(op, columnNode(column), columnNode(other)),
      kind: op === "/" ? "float" : column.kind === "int" ? other.kind : column.kind,
      english: `${say(op)} ${spoken(other)}`,
      name: `${stem(column)}_${suffix}_${stem(other)}`,
    };
  }
  const [op, value, suffix] = random.pick(SCALES[column.kind === "int" ? "whole" : "real"]);
  const [low, high] = rangeOf(column);
  const apply = (x: number): number => (op === "*" ? x * value : op === "/" ? x / value : x);
  return {
    node: binary(op, columnNode(column), literal(value)),
    kind: op === "/" ? "float" : column.kind,
    english: `${say(op)} ${value}`,
    name: `${stem(column)}_${suffix}`,
    range: op === "%" ? [0, value - 1] : [apply(low), apply(high)],
  };
}

const CASTS: Partial<Record<Kind, readonly (readonly [type: string, kind: Kind])[]>> = {
  int: [
    ["string", "str"],
    ["float64", "float"],
  ],
  float: [
    ["int64", "int"],
    ["string", "str"],
  ],
  bool: [["int64", "int"]],
  timestamp: [["date", "date"]],
};

function branches(random: Random, columns: readonly ScopeColumn[]): Expression | undefined {
  const column = pickColumn(random, columns, isMeasure);
  if (column === undefined) return undefined;
  const high = numberIn(random, column, 0.5, 0.9);
  const labels = random.pick([
    ["high", "mid", "low"],
    ["large", "medium", "small"],
    ["A", "B", "C"],
  ] as const);
  const above = (bound: number): Node => binary(">", columnNode(column), literal(bound));
  const name = `${stem(column)}_band`;
  const low = numberIn(random, column, 0.05, 0.45);
  if (random.chance(0.5) || low >= high) {
    return {
      node: call(above(high), "ifelse", [literal(labels[0]), literal(labels[2])]),
      kind: "str",
      english: `"${labels[0]}" where ${spoken(column)} is above ${high}, else "${labels[2]}"`,
      name,
    };
  }
  const arms = (
    [
      [high, labels[0]],
      [low, labels[1]],
    ] as const
  ).map(([bound, label]): Node => ({
    kind: "tuple",
    items: [above(bound), literal(label)],
  }));
  return {
    node: call(null, "cases", arms, [["else_", literal(labels[2])]]),
    kind: "str",
    english: `"${labels[0]}" where ${spoken(column)} is above ${high}, "${labels[1]}" above ${low}, else "${labels[2]}"`,
    name,
  };
}

/** How often a template's value hangs on other rows. */
const WINDOW_SHARE = 0.2;

/** A new value for each row. */
export function rowValue(random: Random, scope: readonly ScopeColumn[], easy: boolean): Expression {
  const special = ofSpecial(random, SCALAR_TEMPLATES, scope);
  if (special !== undefined) return special;
  const columns = withParts(random, scope).filter((column) => !isSpecial(column));
  if (!easy && random.chance(0.5)) {
    const templates = random.chance(WINDOW_SHARE) ? WINDOW_TEMPLATES : SCALAR_TEMPLATES;
    const expression = fromTemplates(random, templates, columns);
    if (expression !== undefined) return expression;
  }
  const form = random.float();
  if (!easy && form < 0.15) {
    const expression = branches(random, columns);
    if (expression !== undefined) return expression;
  }
  if (!easy && form < 0.25) {
    const column = pickColumn(random, columns, (c) => CASTS[c.kind] !== undefined && !isKey(c));
    if (column !== undefined) {
      const [type, kind] = random.pick(CASTS[column.kind] ?? []);
      return {
        node: call(columnNode(column), "cast", [literal(type)]),
        kind,
        english: `${spoken(column)} as ${type}`,
        name: `${stem(column)}_${kind}`,
      };
    }
  }
  const measure = pickColumn(random, columns, isMeasure);
  if (form < 0.55 && measure !== undefined) return arithmetic(random, columns, measure);
  const column = pickColumn(random, columns, (c) => !isKey(c)) ?? random.pick(columns);
  const spec = isKey(column) ? undefined : pickMethod(random, SCALAR_METHODS, column, easy);
  if (spec !== undefined) return applyMethod(random, spec, column);
  if (measure !== undefined) return arithmetic(random, columns, measure);
  const unsure = pickColumn(random, columns, (c) => c.neverNull !== true);
  return unsure === undefined
    ? {
        node: call(columnNode(column), "cast", [literal("string")]),
        kind: "str",
        english: `${spoken(column)} as string`,
        name: `${stem(column)}_str`,
      }
    : {
        node: call(columnNode(unsure), "isnull"),
        kind: "bool",
        english: `whether ${spoken(unsure)} is null`,
        name: `${stem(unsure)}_missing`,
      };
}

/** So many rows a group has. */
const GROUP_SIZES: Range = [1, 60];

/** Of what a count gives: of no rows it is 0. */
const ofCount = (spec: MethodSpec): { neverNull?: boolean } =>
  spec.suffix === "count" || spec.suffix === "unique" ? { neverNull: true } : {};

function rangeOfReduction(spec: MethodSpec, column: Column): { range?: Range } {
  if (!isNumber(column.kind)) return spec.returns === "int" ? { range: GROUP_SIZES } : {};
  const [low, high] = rangeOf(column);
  switch (spec.suffix) {
    case "total":
      return { range: [low * 10, high * 20] };
    case "std":
      return { range: [0, (high - low) / 2] };
    case "var":
      return {};
    case "unique":
    case "count":
    case "approx":
      return { range: GROUP_SIZES };
    default:
      return { range: [low, high] };
  }
}

/** The rows for which it holds. */
const counted = ({ node, english, name }: Expression): Expression => ({
  node: call(node, "sum"),
  kind: "int",
  english: `the number of rows where ${english}`,
  name,
  range: GROUP_SIZES,
});

/** One value for many rows. */
export function reduction(random: Random, scope: readonly ScopeColumn[], easy: boolean): Expression {
  if (random.chance(0.2))
    return {
      node: call({ kind: "self" }, "count"),
      kind: "int",
      english: "the number of rows",
      name: "n",
      range: GROUP_SIZES,
      neverNull: true,
    };
  const special = ofSpecial(random, REDUCTION_TEMPLATES, scope);
  if (special !== undefined) return special.kind === "bool" ? counted(special) : special;
  const columns = withParts(random, scope).filter((column) => !isSpecial(column));
  if (!easy && random.chance(0.3)) {
    const expression = fromTemplates(random, REDUCTION_TEMPLATES, columns);
    if (expression !== undefined) return expression;
  }
  const column = pickColumn(random, columns, isMeasure) ?? random.pick(columns);
  const chosen = random.chance(0.7) ? column : random.pick(columns);
  const spec = pickMethod(random, DETERMINED, chosen, easy || isKey(chosen));
  if (spec === undefined || (isKey(chosen) && spec.suffix !== "unique")) {
    return { ...applyMethod(random, NUNIQUE, chosen), kind: "int", range: GROUP_SIZES, neverNull: true };
  }
  const expression = {
    ...applyMethod(random, spec, chosen),
    ...rangeOfReduction(spec, chosen),
    ...ofCount(spec),
  };
  const flag = pickColumn(random, columns, (c) => c.kind === "bool" && c.name !== chosen.name);
  if (easy || flag === undefined || expression.node.kind !== "call" || !random.chance(0.15))
    return expression;
  return {
    ...expression,
    node: { ...expression.node, named: [["where", columnNode(flag)]] },
    english: `${expression.english} where ${spoken(flag)} is true`,
  };
}

/** Without an order the first of several is any of them, as is the most common of equally common ones. */
const DETERMINED = REDUCTIONS.filter(({ suffix }) => !["first", "mode", "list", "approx"].includes(suffix));

const NUNIQUE = REDUCTIONS.find((spec) => spec.suffix === "unique") as MethodSpec;
