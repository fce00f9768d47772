/** What Ibis says of its own functions, with an example of each that the generator knows how to write. */
import type { Random } from "../../../data/random.js";
import type { ApiEntry } from "../../dsl.js";
import { parametersOf } from "../tasks/docstring.js";
import { applyMethod } from "./expressions.js";
import { PREDICATE_METHODS, REDUCTIONS, SCALAR_METHODS, TRIM_METHODS, type MethodSpec } from "./methods.js";
import { randomProgram, type Profile } from "./programs.js";
import { randomSchema, type Table } from "./schemas.js";
import { call, chainOf, write, type Node } from "./syntax.js";

export interface DocumentedFunction {
  /** `Table.group_by`, `StringValue.upper`, `ibis.desc` */
  key: string;
  name: string;
  /** Parameters without their types: `Table.group_by(*by, **key_exprs)` */
  signature: string;
  /** The first sentence of the docstring. */
  summary: string;
  /** The column method that an example calls. */
  method?: MethodSpec;
  /** The example is a program that calls this function. */
  isStep: boolean;
}

/** Classes whose methods a user of tables and columns meets; others are their aliases or rarer types. */
const OWNERS = new Set([
  "Table",
  "Value",
  "Column",
  "StringValue",
  "StringColumn",
  "NumericValue",
  "NumericColumn",
  "FloatingValue",
  "IntegerColumn",
  "BooleanValue",
  "BooleanColumn",
  "DateValue",
  "TimestampValue",
  "GroupedTable",
]);

const STEPS: Readonly<Record<Profile, readonly string[]>> = {
  quickstart: [
    "Table.filter",
    "Table.group_by",
    "Table.aggregate",
    "Table.agg",
    "Table.mutate",
    "Table.select",
    "Table.order_by",
    "Table.limit",
    "Table.distinct",
    "Table.count",
    "Table.value_counts",
    "Table.topk",
    "ibis.desc",
  ],
  full: [
    "Table.join",
    "Table.semi_join",
    "Table.anti_join",
    "Table.union",
    "Table.intersect",
    "Table.difference",
    "Table.drop",
    "Table.drop_null",
    "Table.rename",
    "ibis.cases",
    "ibis.row_number",
    "ibis.rank",
    "ibis.dense_rank",
    "ibis.window",
  ],
};

/** The first sentence of a docstring, on one line; undefined when it has none of a useful length. */
export function summaryOf(docstring: string): string | undefined {
  const paragraph = (docstring.trim().split(/\n\s*\n/)[0] ?? "").replace(/\s+/g, " ").trim();
  const plain = paragraph.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");
  const sentence = /^.*?[.!?](?=\s|$)/.exec(plain)?.[0] ?? plain;
  return sentence.length >= 12 && sentence.length <= 140 && !/[{}|:]{2}/.test(sentence)
    ? sentence
    : undefined;
}

/** `(self, *by: 'str', how: 'X' = None, /) -> 'Y'` as `(*by, how=None)`. */
export function shortSignature(signature: string): string {
  const inner = /^\(([\s\S]*)\)(?:\s*->[\s\S]*)?$/.exec(signature.trim())?.[1] ?? "";
  const parameters: string[] = [];
  let depth = 0;
  let quote = "";
  let at = "";
  for (const letter of `${inner},`) {
    if (quote !== "") quote = letter === quote ? "" : quote;
    else if (letter === "'" || letter === '"') quote = letter;
    else if ("([{".includes(letter)) depth++;
    else if (")]}".includes(letter)) depth--;
    if (letter === "," && depth === 0 && quote === "") {
      parameters.push(at.trim());
      at = "";
    } else at += letter;
  }
  const short = parameters
    .filter((parameter) => parameter !== "" && parameter !== "self" && parameter !== "/")
    .map((parameter) => {
      const name = (/^[\w*]+/.exec(parameter) ?? [parameter])[0];
      const value = /(?:^|[^=!<>])=\s*([^=][\s\S]*)$/.exec(parameter)?.[1];
      return value === undefined ? name : `${name}=${value.trim()}`;
    });
  return `(${short.join(", ")})`;
}

/** The functions to write about, in a fixed order. */
export function documentedFunctions(api: readonly ApiEntry[], profile: Profile): DocumentedFunction[] {
  const easyOnly = profile === "quickstart";
  const methods = [...SCALAR_METHODS, ...TRIM_METHODS, ...PREDICATE_METHODS, ...REDUCTIONS];
  const steps = new Set(easyOnly ? STEPS.quickstart : [...STEPS.quickstart, ...STEPS.full]);
  const found = new Map<string, DocumentedFunction>();
  for (const entry of api) {
    const owner = entry.owner ?? "ibis";
    const key = `${owner}.${entry.name}`;
    if ((entry.owner !== undefined && !OWNERS.has(entry.owner)) || entry.name.startsWith("_")) continue;
    const summary = summaryOf(entry.docstring);
    if (summary === undefined || found.has(key)) continue;
    const method = methods.find((spec) => spec.path === key);
    const isStep = steps.has(key);
    if (easyOnly && method === undefined && !isStep) continue;
    const signature = key + shortSignature(entry.signature);
    if (signature.length > 110) continue;
    const documented: DocumentedFunction = { key, name: entry.name, signature, summary, isStep };
    if (method !== undefined) documented.method = method;
    found.set(key, documented);
  }
  return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

type Pair = readonly [input: string, answer: string];

/** What the tasks ask about a function, with the answers; an example may follow them. */
export function questionsAbout({ key, signature, summary }: DocumentedFunction): {
  function_documentation: readonly [Pair, Pair];
  qa: readonly [Pair, Pair, Pair];
} {
  return {
    function_documentation: [
      [signature, summary],
      [key, summary],
    ],
    qa: [
      [`What does ${key} do?`, summary],
      [`Which function is this: ${summary.replace(/\.$/, "")}?`, key],
      [`Which parameters does ${key} take?`, parametersSaid(signature)],
    ],
  };
}

/** `Table.limit(n, *, offset=0)` as "It takes `n` and `offset`." */
function parametersSaid(signature: string): string {
  const names = parametersOf(`def f${signature.slice(signature.indexOf("("))}:`).map((name) => `\`${name}\``);
  const last = names.pop();
  if (last === undefined) return "It takes no parameters.";
  return `It takes ${names.length === 0 ? last : `${names.join(", ")} and ${last}`}.`;
}

/** Functions that are taken for each other. */
const ALIKE: readonly (readonly [one: string, other: string])[] = [
  ["Table.filter", "Table.select"],
  ["Table.mutate", "Table.select"],
  ["Table.group_by", "Table.order_by"],
  ["Table.aggregate", "Table.mutate"],
  ["Table.limit", "Table.head"],
  ["Table.distinct", "Table.count"],
  ["Table.union", "Table.intersect"],
  ["Table.union", "Table.difference"],
  ["Table.intersect", "Table.difference"],
  ["Table.semi_join", "Table.anti_join"],
  ["Table.join", "Table.semi_join"],
  ["Table.join", "Table.cross_join"],
  ["Table.join", "Table.asof_join"],
  ["Table.drop", "Table.drop_null"],
  ["Table.fill_null", "Table.drop_null"],
  ["Table.pivot_longer", "Table.pivot_wider"],
  ["Table.count", "Table.nunique"],
  ["Table.rename", "Table.mutate"],
  ["Column.nunique", "Column.approx_nunique"],
  ["Column.median", "Column.approx_median"],
  ["Column.first", "Column.last"],
  ["Column.max", "Column.argmax"],
  ["Column.lag", "Column.lead"],
  ["Column.value_counts", "Column.topk"],
  ["NumericColumn.sum", "NumericColumn.cumsum"],
  ["NumericColumn.std", "NumericColumn.var"],
  ["NumericValue.floor", "NumericValue.ceil"],
  ["NumericValue.round", "NumericValue.floor"],
  ["StringValue.like", "StringValue.contains"],
  ["StringValue.like", "StringValue.ilike"],
  ["StringValue.left", "StringValue.right"],
  ["StringValue.lower", "StringValue.upper"],
  ["StringValue.replace", "StringValue.re_replace"],
  ["StringValue.startswith", "StringValue.endswith"],
  ["StringValue.strip", "StringValue.lstrip"],
  ["StringValue.find", "StringValue.contains"],
  ["Value.cast", "Value.try_cast"],
  ["Value.fill_null", "Value.nullif"],
  ["Value.isin", "Value.between"],
  ["Value.isnull", "Value.notnull"],
  ["BooleanColumn.any", "BooleanColumn.all"],
  ["ibis.rank", "ibis.dense_rank"],
  ["ibis.row_number", "ibis.rank"],
  ["ibis.asc", "ibis.desc"],
  ["ibis.coalesce", "ibis.ifelse"],
  ["ibis.cases", "ibis.ifelse"],
];

export interface Difference {
  keys: readonly [string, string];
  input: string;
  answer: string;
}

/** What there is to say of functions that are taken for each other, of those that are documented. */
export function differences(functions: readonly DocumentedFunction[]): Difference[] {
  const byKey = new Map(functions.map((one) => [one.key, one]));
  return ALIKE.flatMap((keys) => {
    const [one, other] = keys.map((key) => byKey.get(key)?.summary);
    if (one === undefined || other === undefined) return [];
    const input = `What is the difference between ${keys[0]} and ${keys[1]}?`;
    return [{ keys, input, answer: `${keys[0]}: ${one} ${keys[1]}: ${other}` }];
  });
}

export interface Example {
  code: string;
  tables: Table[];
  schemaId: string;
}

const MOST_TRIES = 200;

/** A short program that calls the function; undefined when none was found. */
export function exampleOf(
  random: Random,
  documented: DocumentedFunction,
  profile: Profile,
  heldOut: boolean,
): Example | undefined {
  if (documented.method !== undefined) return exampleOfMethod(random, documented.method, heldOut);
  if (!documented.isStep) return undefined;
  const sought = documented.key.startsWith("ibis.")
    ? `ibis.${documented.name}(`
    : `.${stepName(documented)}(`;
  for (let i = 0; i < MOST_TRIES; i++) {
    const program = randomProgram(random, profile, { heldOutSchema: heldOut });
    const code = write(program.node);
    if (chainOf(program.node).length <= 2 && code.includes(sought)) {
      return { code, tables: program.schema.tables, schemaId: program.schema.id };
    }
  }
  return undefined;
}

/** `agg` is how programs write `aggregate`. */
const stepName = ({ name }: DocumentedFunction): string => (name === "aggregate" ? "agg" : name);

function exampleOfMethod(random: Random, method: MethodSpec, heldOut: boolean): Example | undefined {
  for (let i = 0; i < MOST_TRIES; i++) {
    const schema = randomSchema(random, { minColumns: 3, maxColumns: 4, tables: 1, heldOut, simple: true });
    const table = schema.tables[0] as Table;
    const columns = table.columns.filter((column) => method.on.includes(column.kind));
    if (columns.length === 0) continue;
    const expression = applyMethod(random, method, random.pick(columns));
    const root: Node = { kind: "table", name: table.name };
    const program = PREDICATE_METHODS.includes(method)
      ? call(root, "filter", [expression.node])
      : call(root, REDUCTIONS.includes(method) ? "agg" : "mutate", [], [[expression.name, expression.node]]);
    return { code: write(program), tables: [table], schemaId: schema.id };
  }
  return undefined;
}
