/**
 * The forms in which people write one program: as one expression, in statements, as a function that is then called, and
 * with the imports and the connection above that make it run.
 */
import type { Random } from "../../../../data/random.js";
import type { Profile, Program } from "../programs.js";
import { write, type Style } from "../syntax.js";
import { codeIn } from "../../tasks/prose.js";
import { functionOf } from "../../tasks/docstring.js";
import { inStatements } from "./statements.js";

export const FORMS = ["expression", "statements", "function"] as const;
export type Form = (typeof FORMS)[number];

export interface Written {
  text: string;
  form: Form;
  /** With imports above. */
  imports: boolean;
}

/** How a program's columns and strings are written, where its writer may be anyone. */
const STYLES: readonly (readonly [weight: number, style: Style])[] = [
  [5, { column: "deferred", quote: '"' }],
  [3, { column: "deferred", quote: "'" }],
  [1, { column: "attribute", quote: '"' }],
  [1, { column: "attribute", quote: "'" }],
  [1, { column: "item", quote: '"' }],
  [1, { column: "item", quote: "'" }],
];
const RARER_STYLES: typeof STYLES = [
  [1, { column: "lambda", quote: '"' }],
  [0.5, { column: "lambda", quote: "'" }],
  [0.4, { column: "lambda_item", quote: '"' }],
  [0.6, { column: "deferred_item", quote: '"' }],
  [1, { column: "deferred", quote: '"', keys: "column" }],
  [0.6, { column: "attribute", quote: '"', keys: "column" }],
];

const randomStyle = (random: Random, profile: Profile): Style =>
  random.weighted(profile === "full" ? [...STYLES, ...RARER_STYLES] : STYLES);

/** The imports that a text needs, and where its tables come from. */
export function boilerplate(random: Random, text: string, tables: readonly string[]): string[] {
  const uses = (pattern: RegExp): boolean => pattern.test(text.replace(/"[^"]*"|'[^']*'/g, ""));
  const connects = random.chance(0.5);
  const selectors = random.pick(["import ibis.selectors as s", "from ibis import selectors as s"]);
  const lines = [
    ...(connects || uses(/\bibis\./) || random.chance(0.8) ? ["import ibis"] : []),
    ...(uses(/\bs\./) ? [selectors] : []),
    ...(uses(/(?<![\w.])_(?![\w])/) ? ["from ibis import _"] : []),
  ];
  if (!connects) return lines.length === 0 ? ["import ibis"] : lines;
  const connection = random.pick([
    "con = ibis.duckdb.connect()",
    'con = ibis.duckdb.connect("warehouse.duckdb")',
    'con = ibis.connect("duckdb://data.ddb")',
  ]);
  const used = tables.filter((name) => new RegExp(`\\b${name}\\b`).test(text));
  const form = random.weighted([
    [5, (name: string) => `con.table("${name}")`],
    [1, (name: string) => `con.tables.${name}`],
    [1, (name: string) => `con.tables["${name}"]`],
  ] as const);
  return [...lines, connection, ...used.map((name) => `${name} = ${form(name)}`)];
}

/** The program in one of the forms; in that of one expression where the drawn one does not suit it. */
export function written(
  random: Random,
  program: Program,
  profile: Profile,
  forms: readonly Form[] = FORMS,
): Written {
  const style = randomStyle(random, profile);
  const tables = program.schema.tables.map(({ name }) => name);
  const drawn: Form =
    profile === "full"
      ? random.weighted([
          [6, "expression"],
          [3, "statements"],
          [1.2, "function"],
        ])
      : "expression";
  const imports = profile === "full" && random.chance(0.25);
  const body = forms.includes(drawn) ? inForm(random, program, drawn, style, tables) : undefined;
  const text = body ?? write(program.node, style);
  return {
    text: imports ? [...boilerplate(random, text, tables), text].join("\n") : text,
    form: body === undefined ? "expression" : drawn,
    imports,
  };
}

function inForm(
  random: Random,
  program: Program,
  form: Form,
  style: Style,
  tables: readonly string[],
): string | undefined {
  if (form === "expression") return undefined;
  if (form === "statements") return inStatements(random, program.node, style, tables)?.join("\n");
  const made = functionOf(random, program, write(program.node), []);
  return made && `${made.source}\n${codeIn(made.docstring) ?? ""}`;
}
