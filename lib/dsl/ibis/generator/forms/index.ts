/**
 * The forms in which people write one program: as one expression, in statements, as a function that is then called, and
 * with the imports and the connection above that make it run.
 */
import type { Random } from "../../../../data/random.js";
import type { Profile, Program } from "../programs.js";
import type { Table } from "../schemas.js";
import { SPELLINGS, write, type Style } from "../syntax.js";
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
export function boilerplate(random: Random, text: string, tables: readonly Table[]): string[] {
  const uses = (pattern: RegExp): boolean => pattern.test(text.replace(/"[^"]*"|'[^']*'/g, ""));
  const connects = random.chance(0.55);
  const selectors = random.pick(["import ibis.selectors as s", "from ibis import selectors as s"]);
  const lines = [
    ...(connects || uses(/\bibis\./) || random.chance(0.8) ? ["import ibis"] : []),
    ...(uses(/\bs\./) ? [selectors] : []),
    ...(uses(/(?<![\w.])_(?![\w])/) ? ["from ibis import _"] : []),
  ];
  if (!connects) return lines.length === 0 ? ["import ibis"] : lines;
  const used = tables.filter(({ name }) => new RegExp(`\\b${name}\\b`).test(text));
  if (random.chance(0.15))
    return [...lines, ...used.map((table) => `${table.name} = ${declared(random, table)}`)];
  const connection = random.pick([
    "con = ibis.duckdb.connect()",
    'con = ibis.duckdb.connect("warehouse.duckdb")',
    'con = ibis.connect("duckdb://data.ddb")',
  ]);
  const form = random.weighted([
    [5, (name: string) => `con.table("${name}")`],
    [1, (name: string) => `con.tables.${name}`],
    [1, (name: string) => `con.tables["${name}"]`],
  ] as const);
  return [...lines, connection, ...used.map(({ name }) => `${name} = ${form(name)}`)];
}

/** A table of which only names and types are known. */
function declared(random: Random, { name, columns }: Table): string {
  const types = columns.map((column) => `${JSON.stringify(column.name)}: ${JSON.stringify(column.type)}`);
  const schema = `{${types.join(", ")}}`;
  return `ibis.table(${random.chance(0.4) ? `ibis.schema(${schema})` : schema}, name="${name}")`;
}

/** The steps' other spellings, of those that only prompts have. */
const withSpelling = (random: Random, style: Style): Style =>
  random.chance(0.12) ? { ...style, spelling: random.pick(SPELLINGS) } : style;

/**
 * The program in one of the forms; in that of one expression where the drawn one does not suit it. Of one that is only
 * `shown` the steps may have other names too.
 */
export function written(
  random: Random,
  program: Program,
  profile: Profile,
  { forms = FORMS, shown = false }: { forms?: readonly Form[]; shown?: boolean } = {},
): Written {
  const full = profile === "full";
  const drawnStyle = randomStyle(random, profile);
  const style = full && shown ? withSpelling(random, drawnStyle) : drawnStyle;
  const { tables } = program.schema;
  const drawn: Form =
    profile === "full"
      ? random.weighted([
          [6, "expression"],
          [3, "statements"],
          [1.2, "function"],
        ])
      : "expression";
  const imports = profile === "full" && random.chance(0.25);
  const names = tables.map(({ name }) => name);
  const body = forms.includes(drawn) ? inForm(random, program, drawn, style, names) : undefined;
  const expression = write(program.node, style);
  const text = body ?? (full && shown && random.chance(0.03) ? asked(random, expression) : expression);
  return {
    text: imports ? [...boilerplate(random, text, tables), text].join("\n") : text,
    form: body === undefined ? "expression" : drawn,
    imports,
  };
}

/** The program's SQL asked for in the program itself. */
export const asked = (random: Random, text: string): string =>
  random.chance(0.5) ? `ibis.to_sql(${text})` : `${text}.to_sql()`;

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
