/** Functions that people write around a program, with docstrings in two styles: parameters, result, an example that runs. */
import type { Random } from "../../../data/random.js";
import type { Program } from "../generator/programs.js";

export interface WrittenFunction {
  source: string;
  docstring: string;
}

/** Of docstrings: Google's, the one that is meant where none is named, and NumPy's. */
export const DOCSTRING_STYLES = ["google", "numpy"] as const;
export type DocstringStyle = (typeof DOCSTRING_STYLES)[number];

/** A literal of the program that becomes a parameter. */
interface Parameter {
  name: string;
  value: string;
  meaning: string;
}

const MOST_PARAMETERS = 2;
/** Columns of the result that a docstring lists. */
const LISTED = 4;

const BOUNDS: Readonly<Record<string, readonly [prefix: string, meaning: string]>> = {
  ">": ["min", "Lower bound of"],
  ">=": ["min", "Lower bound of"],
  "<": ["max", "Upper bound of"],
  "<=": ["max", "Upper bound of"],
};

/** The literals that may become parameters: bounds, values that a column is held against, numbers of rows. */
function candidates(text: string): Parameter[] {
  const found: Parameter[] = [];
  for (const [, column = "", operator = "", value = ""] of text.matchAll(
    /\b_\.(\w+) ([<>]=?) (\d+(?:\.\d+)?|"[^"\\]*")/g,
  )) {
    const [prefix, meaning] = BOUNDS[operator] ?? ["limit", "Bound of"];
    found.push({ name: `${prefix}_${column}`, value, meaning: `${meaning} ${words(column)}.` });
  }
  for (const [, column = "", value = ""] of text.matchAll(/\b_\.(\w+) [=!]= (\d+|"[^"\\]*")/g)) {
    found.push({ name: `${column}_value`, value, meaning: `Value of ${words(column)} to compare with.` });
  }
  for (const [, value = ""] of text.matchAll(/\.(?:limit|topk)\((\d+)\)/g)) {
    found.push({ name: "n", value, meaning: "Number of rows." });
  }
  return found;
}

const words = (name: string): string => name.replaceAll("_", " ");

const escaped = (value: string): string => value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** A value as a token of its own. */
const tokenOf = (value: string): RegExp => new RegExp(`(?<![\\w.])${escaped(value)}(?![\\w.]\\w|\\w)`, "g");

const VERBS: readonly (readonly [step: RegExp, verb: string])[] = [
  [/\.limit\(/, "top"],
  [/\.agg\(/, "summarise"],
  [/\.(count|topk|value_counts)\(/, "count"],
  [/\.(union|intersect|difference)\(/, "combine"],
  [/\.join\(/, "join"],
  [/\.mutate\(/, "extend"],
  [/\.order_by\(/, "sort"],
  [/\.filter\(/, "filter"],
];

/**
 * A function that gives what the program gives, and its documentation; undefined where nothing good can be said of its
 * result. `columns` are those of the result.
 */
export function functionOf(
  random: Random,
  program: Program,
  text: string,
  columns: readonly string[],
  style: DocstringStyle = "google",
): WrittenFunction | undefined {
  const isCount = text.endsWith(".count()");
  if (text.includes("\n") || (!isCount && columns.some((name) => !/^\w+$/.test(name)))) return undefined;
  const tables = program.schema.tables.filter(({ name }) => new RegExp(`\\b${name}\\b`).test(text));
  const [root] = tables;
  if (root === undefined) return undefined;
  let body = text;
  let english = program.english.join(", then ");
  const parameters: Parameter[] = [];
  const taken = new Set(tables.map(({ name }) => name));
  for (const parameter of random.shuffled(candidates(text))) {
    const { name, value } = parameter;
    const once = [text, english].every((where) => where.match(tokenOf(value))?.length === 1);
    if (!once || taken.has(name) || parameters.length === MOST_PARAMETERS) continue;
    taken.add(name);
    parameters.push(parameter);
    body = body.replace(tokenOf(value), name);
    english = english.replace(tokenOf(value), name);
  }
  const verb = VERBS.find(([step]) => step.test(text))?.[1] ?? "select";
  const name = `${verb}_${root.name}`;
  const names = [...tables, ...parameters].map((one) => one.name);
  const args = [...tables.map((table) => table.name), ...parameters.map(({ value }) => value)];
  const uses = (columnsOf: readonly { name: string }[]): string => {
    const used = columnsOf.map((one) => one.name).filter((one) => new RegExp(`\\b${one}\\b`).test(text));
    return used.length === 0 ? "Table of any columns." : `Table with ${used.join(", ")}.`;
  };
  const listed = columns.slice(0, LISTED).join(", ") + (columns.length > LISTED ? " and others" : "");
  const docstring = STYLES[style]({
    summary: `${(english[0] ?? "").toUpperCase()}${english.slice(1)}.`,
    parameters: [
      ...tables.map((table) => ({ name: table.name, type: "Table", meaning: uses(table.columns) })),
      ...parameters.map(({ name, value, meaning }) => ({ name, type: pythonType(value), meaning })),
    ],
    result: isCount
      ? { type: "IntegerScalar", meaning: "Number of rows." }
      : { type: "Table", meaning: `Table with ${listed}.` },
    example: `${name}(${args.join(", ")})`,
  });
  return { source: `def ${name}(${names.join(", ")}):\n    return ${body}`, docstring };
}

const pythonType = (literal: string): string =>
  literal.startsWith('"') ? "str" : literal.includes(".") ? "float" : "int";

/** What a docstring says, in whatever style. */
interface Documentation {
  summary: string;
  parameters: readonly { name: string; type: string; meaning: string }[];
  result: { type: string; meaning: string };
  example: string;
}

const STYLES: Readonly<Record<DocstringStyle, (said: Documentation) => string>> = {
  google: ({ summary, parameters, result, example }) =>
    [
      summary,
      "",
      "Args:",
      ...parameters.map(({ name, meaning }) => `    ${name}: ${meaning}`),
      "",
      "Returns:",
      `    ${result.meaning}`,
      "",
      "Example:",
      `    >>> ${example}`,
    ].join("\n"),
  // numpydoc's guide: a parameter and its type, a result by its type alone, each explained on the next line.
  numpy: ({ summary, parameters, result, example }) =>
    [
      summary,
      "",
      "Parameters",
      "----------",
      ...parameters.flatMap(({ name, type, meaning }) => [`${name} : ${type}`, `    ${meaning}`]),
      "",
      "Returns",
      "-------",
      result.type,
      `    ${result.meaning}`,
      "",
      "Examples",
      "--------",
      `>>> ${example}`,
    ].join("\n"),
};

/** Whether a text defines a function. */
export const definesFunction = (text: string): boolean => /^(?:async )?def /m.test(text);

/** The parameters of the last function that a text defines at its margin, without `self` and stars. */
export function parametersOf(source: string): string[] {
  const heads = [...source.matchAll(/^(?:async )?def \w+\(([^]*?)\)(?:\s*->[^\n]*)?:/gm)];
  const list = heads.at(-1)?.[1] ?? "";
  const names: string[] = [];
  let depth = 0;
  let at = "";
  for (const letter of `${list},`) {
    if ("([{".includes(letter)) depth++;
    if (")]}".includes(letter)) depth--;
    if (letter === "," && depth === 0) {
      const name = /^\s*\**(\w+)/.exec(at)?.[1];
      if (name !== undefined && name !== "self") names.push(name);
      at = "";
    } else at += letter;
  }
  return names;
}

/** Sections of Google's style (`Args:`) and of NumPy's (underlined), and what follows them. */
const PARAMETERS = /^([ \t]*)(?:Args|Arguments|Parameters)(?::|[ \t]*\n[ \t]*-{3,})[ \t]*\n([^]*)/m;
const NEXT_SECTION =
  /^([ \t]*)(?:Returns?|Yields?|Raises|Examples?|Notes?|See Also)(?::|[ \t]*\n[ \t]*-{3,})/gm;

/** The parameters that a docstring documents, in either style. */
export function documentedParameters(docstring: string): string[] {
  const [, indent = "", rest = ""] = PARAMETERS.exec(docstring) ?? [];
  // A parameter may be called Returns: a heading is no deeper than the one before it.
  const end = [...rest.matchAll(NEXT_SECTION)].find(([, own = ""]) => own.length <= indent.length)?.index;
  const section = rest.slice(0, end);
  const lines = section.split("\n").filter((line) => line.trim() !== "");
  const margin = Math.min(...lines.map((line) => line.length - line.trimStart().length));
  return lines.flatMap((line) => {
    const name = /^\**(\w+)(?:\s*\([^)]*\))?\s*(?::|$)/.exec(line.slice(margin))?.[1];
    return line.startsWith(" ".repeat(margin + 1)) || name === undefined ? [] : [name];
  });
}
