import type { Random } from "../../../data/random.js";
import {
  ANALYTICS,
  DATE_UNITS,
  PREDICATE_METHODS,
  RANKINGS,
  REDUCTIONS,
  SCALAR_METHODS,
  methodName,
  pickMethod,
  type Argument,
  type MethodSpec,
} from "./methods.js";
import type { Column, Kind } from "./schemas.js";
import { binary, call, literal, nameOf, type BinaryOp, type Node } from "./syntax.js";
import { PIECES } from "./words.js";

/** A column in reach of the next step; `ofTable` while the root table still has it unchanged. */
export interface ScopeColumn extends Column {
  ofTable?: string;
}

/** A well-typed expression, with the words for it and a name that suits its result. */
export interface Expression {
  node: Node;
  kind: Kind;
  english: string;
  name: string;
}

export type Condition = Pick<Expression, "node" | "english">;

export const isNumber = (kind: Kind): boolean => kind === "int" || kind === "float" || kind === "decimal";
const isDate = (kind: Kind): boolean => kind === "date" || kind === "timestamp";
/** A key is compared and counted, not added up. */
const isMeasure = (column: Column): boolean => isNumber(column.kind) && !/(^|_)id$/.test(column.name);

export const words = (name: string): string => name.replaceAll("_", " ");

export function columnNode(column: ScopeColumn): Node {
  return column.ofTable === undefined
    ? { kind: "column", name: column.name }
    : { kind: "column", name: column.name, ofTable: column.ofTable };
}

export function pickColumn<C extends Column>(
  random: Random,
  columns: readonly C[],
  test: (column: C) => boolean,
): C | undefined {
  const found = columns.filter(test);
  return found.length > 0 ? random.pick(found) : undefined;
}

const randomDate = (random: Random): string => {
  const pad = (n: number): string => String(n).padStart(2, "0");
  return `${random.between(2015, 2025)}-${pad(random.between(1, 12))}-${pad(random.between(1, 28))}`;
};

/** A literal that may be compared with a value of that kind. */
export function literalFor(
  random: Random,
  column: Pick<Column, "kind" | "values">,
): string | number | boolean {
  switch (column.kind) {
    case "int":
      return random.chance(0.5) ? random.between(1, 20) : random.between(2, 50) * 10;
    case "float":
    case "decimal":
      return random.chance(0.6) ? random.between(1, 200) : random.between(1, 99) + 0.5;
    case "str":
      return random.pick(column.values);
    case "bool":
      return random.chance(0.5);
    default:
      return randomDate(random);
  }
}

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
  const english = spec.english.replace("{}", words(column.name)).replace(/\{(\d)\}/g, (_, i: string) => {
    const value = values[Number(i)] as string | number | boolean;
    return spec.args[Number(i)] === "date_unit" ? (DATE_UNITS[String(value)] ?? say(value)) : say(value);
  });
  return {
    node: call(subject ?? columnNode(column), methodName(spec), values.map(literal)),
    kind: spec.returns === "same" ? column.kind : spec.returns,
    english,
    name: `${column.name}_${spec.suffix}`,
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
  const name = words(column.name);
  if (column.kind === "bool") {
    return random.chance(0.7) ? { node, english: `${name} is true` } : notTrue(node, name);
  }
  const value = literalFor(random, column);
  if (column.kind === "str" || (column.kind === "int" && random.chance(0.3))) {
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

/** One condition on one column. */
function simpleCondition(random: Random, columns: readonly ScopeColumn[], easy: boolean): Condition {
  const column = random.pick(columns);
  const form = random.float();
  if (form < 0.6 || column.kind === "bool") return comparison(random, column);
  if (form < 0.72 && (column.kind === "str" || column.kind === "int")) {
    const values = [...new Set([literalFor(random, column), literalFor(random, column)])];
    const list: Node = { kind: "list", items: values.map(literal) };
    const negated = !easy && random.chance(0.3);
    return {
      node: call(columnNode(column), negated ? "notin" : "isin", [list]),
      english: `${words(column.name)} is ${negated ? "neither" : "one of"} ${values.map(say).join(" or ")}`,
    };
  }
  if (form < 0.82 && isNumber(column.kind)) {
    const low = random.between(1, 50);
    const high = low + random.between(1, 50);
    return {
      node: call(columnNode(column), "between", [literal(low), literal(high)]),
      english: `${words(column.name)} is between ${low} and ${high}`,
    };
  }
  const spec = pickMethod(random, PREDICATE_METHODS, column.kind, easy);
  return spec === undefined ? comparison(random, column) : applyMethod(random, spec, column);
}

/** A condition; in the full profile also two joined by and, or, not. */
export function condition(random: Random, columns: readonly ScopeColumn[], easy: boolean): Condition {
  const first = simpleCondition(random, columns, easy);
  if (!random.chance(easy ? 0.15 : 0.3)) return first;
  const second = simpleCondition(random, columns, easy);
  const and = random.chance(0.6);
  return {
    node: binary(and ? "&" : "|", first.node, second.node),
    english: `${first.english} ${and ? "and" : "or"} ${second.english}`,
  };
}

const ARITHMETIC: readonly (readonly [op: BinaryOp, suffix: string, english: string])[] = [
  ["*", "scaled", "times"],
  ["+", "plus", "plus"],
  ["-", "minus", "minus"],
  ["/", "ratio", "divided by"],
];

function arithmetic(random: Random, columns: readonly ScopeColumn[], column: ScopeColumn): Expression {
  const [op, suffix, english] = random.pick(ARITHMETIC);
  const other = pickColumn(
    random,
    columns,
    (c) => c.kind === column.kind && c.name !== column.name && isMeasure(c),
  );
  const kind: Kind = op === "/" ? "float" : column.kind;
  if (other !== undefined && random.chance(0.5)) {
    return {
      node: binary(op, columnNode(column), columnNode(other)),
      kind,
      english: `${words(column.name)} ${english} ${words(other.name)}`,
      name: `${column.name}_${suffix}`,
    };
  }
  const value = op === "*" && random.chance(0.3) ? 1.5 : random.between(2, 10);
  return {
    node: binary(op, columnNode(column), literal(value)),
    kind: value === 1.5 ? (column.kind === "int" ? "float" : kind) : kind,
    english: `${words(column.name)} ${english} ${value}`,
    name: `${column.name}_${suffix}`,
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
  str: [["int64", "int"]],
  bool: [["int64", "int"]],
  timestamp: [["date", "date"]],
};

function branches(random: Random, columns: readonly ScopeColumn[]): Expression | undefined {
  const column = pickColumn(random, columns, isMeasure);
  if (column === undefined) return undefined;
  const high = random.between(20, 200);
  const labels = random.pick([
    ["high", "mid", "low"],
    ["large", "medium", "small"],
    ["A", "B", "C"],
  ] as const);
  const above = (bound: number): Node => binary(">", columnNode(column), literal(bound));
  const name = `${column.name}_band`;
  if (random.chance(0.5)) {
    return {
      node: call(above(high), "ifelse", [literal(labels[0]), literal(labels[2])]),
      kind: "str",
      english: `"${labels[0]}" where ${words(column.name)} is above ${high}, else "${labels[2]}"`,
      name,
    };
  }
  const low = random.between(1, 19);
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
    english: `"${labels[0]}" where ${words(column.name)} is above ${high}, "${labels[1]}" above ${low}, else "${labels[2]}"`,
    name,
  };
}

/** A new value for each row. */
export function rowValue(random: Random, columns: readonly ScopeColumn[], easy: boolean): Expression {
  const form = random.float();
  if (!easy && form < 0.15) {
    const expression = branches(random, columns);
    if (expression !== undefined) return expression;
  }
  if (!easy && form < 0.25) {
    const column = pickColumn(random, columns, (c) => CASTS[c.kind] !== undefined);
    if (column !== undefined) {
      const [type, kind] = random.pick(CASTS[column.kind] ?? []);
      return {
        node: call(columnNode(column), "cast", [literal(type)]),
        kind,
        english: `${words(column.name)} as ${type}`,
        name: `${column.name}_${kind}`,
      };
    }
  }
  const measure = pickColumn(random, columns, isMeasure);
  if (form < 0.55 && measure !== undefined) return arithmetic(random, columns, measure);
  const column = random.pick(columns);
  const spec = pickMethod(random, SCALAR_METHODS, column.kind, easy);
  if (spec !== undefined) return applyMethod(random, spec, column);
  return measure !== undefined
    ? arithmetic(random, columns, measure)
    : {
        node: call(columnNode(column), "isnull"),
        kind: "bool",
        english: `whether ${words(column.name)} is null`,
        name: `${column.name}_missing`,
      };
}

/** One value for many rows. */
export function reduction(random: Random, columns: readonly ScopeColumn[], easy: boolean): Expression {
  if (random.chance(0.2))
    return { node: call({ kind: "self" }, "count"), kind: "int", english: "the number of rows", name: "n" };
  const column = pickColumn(random, columns, isMeasure) ?? random.pick(columns);
  const chosen = random.chance(0.7) ? column : random.pick(columns);
  const spec = pickMethod(random, REDUCTIONS, chosen.kind, easy || /(^|_)id$/.test(chosen.name));
  if (spec === undefined || (/(^|_)id$/.test(chosen.name) && spec.suffix !== "unique")) {
    return { ...applyMethod(random, NUNIQUE, chosen), kind: "int" };
  }
  const expression = applyMethod(random, spec, chosen);
  const flag = pickColumn(random, columns, (c) => c.kind === "bool" && c.name !== chosen.name);
  if (easy || flag === undefined || expression.node.kind !== "call" || !random.chance(0.15))
    return expression;
  return {
    ...expression,
    node: { ...expression.node, named: [["where", columnNode(flag)]] },
    english: `${expression.english} where ${words(flag.name)} is true`,
  };
}

const NUNIQUE = REDUCTIONS.find((spec) => spec.suffix === "unique") as MethodSpec;

/** A value over a window: a ranking, a neighbour or a running total. */
export function windowValue(random: Random, columns: readonly ScopeColumn[]): Expression | undefined {
  const order = pickColumn(random, columns, (c) => isNumber(c.kind) || isDate(c.kind));
  const group = pickColumn(random, columns, (c) => c.kind === "str");
  if (order === undefined) return undefined;
  const down = random.chance(0.5);
  const key: Node = down ? call(null, "desc", [nameOf(order.name)]) : nameOf(order.name);
  const partition: [string, Node][] =
    group !== undefined && random.chance(0.7) ? [["group_by", nameOf(group.name)]] : [];
  const named: [string, Node][] = [...partition, ["order_by", key]];
  const inside = partition.length > 0 && group !== undefined ? ` within each ${words(group.name)}` : "";
  const by = `${inside} by ${words(order.name)}${down ? ", descending" : ""}`;
  const over = (node: Node): Node => call(node, "over", [call(null, "window", [], named)]);
  const value = pickColumn(random, columns, (c) => isMeasure(c) && c.name !== order.name);
  if (value === undefined || random.chance(0.5)) {
    const [name, suffix, english] = random.pick(RANKINGS);
    return {
      node: over(call(null, name)),
      kind: "int",
      english: `${english}${by}`,
      name: `${order.name}_${suffix}`,
    };
  }
  const spec = pickMethod(random, ANALYTICS, value.kind, false);
  if (spec === undefined) return undefined;
  const expression = applyMethod(random, spec, value);
  if (spec.suffix.startsWith("cum") && expression.node.kind === "call") {
    return { ...expression, node: { ...expression.node, named }, english: `${expression.english}${by}` };
  }
  return { ...expression, node: over(expression.node), english: `${expression.english}${by}` };
}
