/** Makes expressions from the tables of `values/`. */
import type { Random } from "../../../data/random.js";
import { literalFor, PIECES, randomDate } from "./literals.js";
import {
  columnNode,
  isCategory,
  isKey,
  pickColumn,
  spoken,
  stem,
  type Expression,
  type ScopeColumn,
} from "./scope.js";
import { binary, literal, verbatim, type BinaryOp, type Node, type TemplateNode } from "./syntax.js";
import type { ValueTemplate } from "./values/template.js";

const HOLE = /\{(\w+)\}|"((?:[^"\\]|\\.)*)"/g;

/** The text's parts, and what stands between them: holes by name, texts in quotes by their value. */
function split(code: string): { parts: string[]; holes: { hole?: string; text?: string }[] } {
  const parts: string[] = [];
  const holes: { hole?: string; text?: string }[] = [];
  let end = 0;
  for (const { 0: whole, 1: hole, 2: text, index } of code.matchAll(HOLE)) {
    parts.push(code.slice(end, index));
    holes.push(hole === undefined ? { text: text ?? "" } : { hole });
    end = index + whole.length;
  }
  return { parts: [...parts, code.slice(end)], holes };
}

const SPLIT = new Map<ValueTemplate, ReturnType<typeof split>>();

function splitOf(template: ValueTemplate): ReturnType<typeof split> {
  const found = SPLIT.get(template) ?? split(template.code);
  SPLIT.set(template, found);
  return found;
}

/** What a template may name beside its column: a category, and the key that tells rows apart. */
const OTHERS: Readonly<Record<string, (column: ScopeColumn) => boolean>> = {
  g: isCategory,
  u: ({ role }) => role === "key",
};

/** Whether two columns are compared and computed with each other. */
const isAlike = (one: ScopeColumn, other: ScopeColumn): boolean =>
  one.kind === other.kind && one.role === other.role;

const say = (value: string | number | boolean): string =>
  typeof value === "string" ? `"${value}"` : String(value);

/** The template on a column; undefined where it needs another that is not there, or a value of a text that has none. */
export function applyTemplate(
  random: Random,
  template: ValueTemplate,
  column: ScopeColumn,
  columns: readonly ScopeColumn[],
): Expression | undefined {
  const { parts, holes } = splitOf(template);
  const needs = (name: string): boolean => holes.some(({ hole }) => hole === name);
  const others = columns.filter(({ name }) => name !== column.name);
  const beside = { ...OTHERS, y: (c: ScopeColumn) => isAlike(c, column) };
  const found = Object.entries(beside).flatMap(([hole, test]) => {
    const one = needs(hole) ? pickColumn(random, others, test) : undefined;
    return one === undefined ? [] : ([[hole, one]] as const);
  });
  const columnOf: Readonly<Record<string, ScopeColumn>> = { x: column, ...Object.fromEntries(found) };
  if (Object.keys(beside).some((hole) => needs(hole) && columnOf[hole] === undefined)) return undefined;
  const isText = column.kind === "str" || column.kind === "strs";
  if (needs("v") && isText && column.values.length === 0) return undefined;
  const key = pickColumn(random, column.parts ?? [], () => true);
  if (needs("k") && key === undefined) return undefined;
  // A part of a column has no name of its own.
  if (needs("c") && column.node !== undefined) return undefined;
  const drawn = {
    n: random.between(2, 6),
    piece: random.pick(PIECES),
    ...(needs("v") ? { v: literalFor(random, column) } : {}),
    ...(needs("day") ? { day: randomDate(random) } : {}),
    ...(key === undefined ? {} : { k: key.name }),
    c: column.name,
  };
  const nodes: Readonly<Record<string, Node>> = {
    ...Object.fromEntries(Object.entries(columnOf).map(([hole, one]) => [hole, columnNode(one)])),
    ...Object.fromEntries(Object.entries(drawn).map(([name, value]) => [name, literal(value)])),
  };
  const english = template.english.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const one = columnOf[name];
    if (one !== undefined) return spoken(one);
    return say((drawn as Record<string, string | number | boolean>)[name] ?? whole);
  });
  return {
    node: compared({
      kind: "template",
      parts,
      holes: holes.map(({ hole, text }) =>
        hole === undefined ? literal(text ?? "") : (nodes[hole] as Node),
      ),
      step: false,
      covers: template.covers,
    }),
    ...(template.covers.includes("ArrayValue.unnest") ? { many: true } : {}),
    ...(template.neverNull ? { neverNull: true } : {}),
    kind: template.returns === "same" ? column.kind : template.returns,
    english,
    name: `${stem(column)}_${template.suffix}`,
  };
}

/** A comparison with a constant as such, so that it is put in brackets where it needs them. */
function compared(node: TemplateNode): Node {
  const { parts, holes } = node;
  const last = parts.at(-1) ?? "";
  const isHole = last === "" && holes.at(-1)?.kind === "literal";
  const before = isHole ? (parts.at(-2) ?? "") : last;
  const [, start = "", op, number = ""] = /^(.*) (==|!=|<=?|>=?) (\d*|ibis\..*)$/.exec(before) ?? [];
  if (op === undefined || isHole !== (number === "")) return node;
  const constant = number.startsWith("ibis") ? verbatim([number]) : literal(Number(number));
  const right = isHole ? (holes.at(-1) as Node) : constant;
  const left = {
    ...node,
    parts: [...parts.slice(0, isHole ? -2 : -1), start],
    holes: isHole ? holes.slice(0, -1) : holes,
  };
  return binary(op as BinaryOp, left, right);
}

/** How much more often a template is drawn that takes another column of the kind, where there is one: mostly there is none. */
const PAIRED = 4;
const takesAnother = (template: ValueTemplate): boolean =>
  splitOf(template).holes.some(({ hole }) => hole === "y");

/** How much more often a template is drawn that alone calls some member of the API. */
const SOLE = 2;
const SOLE_OF = new WeakMap<readonly ValueTemplate[], ReadonlySet<ValueTemplate>>();

function soleOf(templates: readonly ValueTemplate[]): ReadonlySet<ValueTemplate> {
  const known = SOLE_OF.get(templates);
  if (known !== undefined) return known;
  const counts = new Map<string, number>();
  for (const { covers } of templates)
    for (const member of covers) counts.set(member, (counts.get(member) ?? 0) + 1);
  const sole = new Set(templates.filter(({ covers }) => covers.some((member) => counts.get(member) === 1)));
  SOLE_OF.set(templates, sole);
  return sole;
}

/** An expression of one of the templates that suits one of the columns. */
export function fromTemplates(
  random: Random,
  templates: readonly ValueTemplate[],
  columns: readonly ScopeColumn[],
): Expression | undefined {
  const usable = columns.filter((column) => !isKey(column) && column.kind !== "other");
  for (let tries = 0; tries < 8 && usable.length > 0; tries++) {
    const column = random.pick(usable);
    const found = templates.filter(({ on }) => on(column));
    if (found.length === 0) continue;
    const isPaired = columns.some((other) => other.name !== column.name && isAlike(other, column));
    const sole = soleOf(templates);
    const weighed = found.map((one) => {
      const weight = (isPaired && takesAnother(one) ? PAIRED : 1) * (sole.has(one) ? SOLE : 1);
      return [weight, one] as const;
    });
    const expression = applyTemplate(random, random.weighted(weighed), column, columns);
    if (expression !== undefined) return expression;
  }
  return undefined;
}
