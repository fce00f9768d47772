/** Makes expressions from the tables of `value-templates.ts`. */
import type { Random } from "../../../data/random.js";
import { literalFor, PIECES } from "./literals.js";
import { columnNode, isKey, spoken, stem, type Expression, type ScopeColumn } from "./scope.js";
import { literal, type Node } from "./syntax.js";
import type { ValueTemplate } from "./value-templates.js";

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
  const others = columns.filter(
    (c) => c.kind === column.kind && c.role === column.role && c.name !== column.name,
  );
  const other = needs("y") && others.length > 0 ? random.pick(others) : undefined;
  if (needs("y") && other === undefined) return undefined;
  if (needs("v") && column.kind === "str" && column.values.length === 0) return undefined;
  const drawn = {
    n: random.between(2, 6),
    piece: random.pick(PIECES),
    ...(needs("v") ? { v: literalFor(random, column) } : {}),
  };
  const nodes: Readonly<Record<string, Node>> = {
    x: columnNode(column),
    ...(other === undefined ? {} : { y: columnNode(other) }),
    ...Object.fromEntries(Object.entries(drawn).map(([name, value]) => [name, literal(value)])),
  };
  const english = template.english.replace(/\{(\w+)\}/g, (whole, name: string) => {
    if (name === "x") return spoken(column);
    if (name === "y") return other === undefined ? whole : spoken(other);
    return say((drawn as Record<string, string | number | boolean>)[name] ?? whole);
  });
  return {
    node: {
      kind: "template",
      parts,
      holes: holes.map(({ hole, text }) =>
        hole === undefined ? literal(text ?? "") : (nodes[hole] as Node),
      ),
      step: false,
      covers: template.covers,
    },
    kind: template.returns === "same" ? column.kind : template.returns,
    english,
    name: `${stem(column)}_${template.suffix}`,
  };
}

/** An expression of one of the templates that suits one of the columns. */
export function fromTemplates(
  random: Random,
  templates: readonly ValueTemplate[],
  columns: readonly ScopeColumn[],
): Expression | undefined {
  const usable = columns.filter((column) => !isKey(column) && column.kind !== "other");
  for (let tries = 0; tries < 8 && usable.length > 0; tries++) {
    const template = random.pick(templates);
    const found = usable.filter(({ kind }) => template.on.includes(kind));
    if (found.length === 0) continue;
    const expression = applyTemplate(random, template, random.pick(found), columns);
    if (expression !== undefined) return expression;
  }
  return undefined;
}
