/** A user's own tables, over which a corpus is to have programs: a file of tables, their columns and what is known of these. */
import { z } from "zod";

import { refuseRepeated } from "../dsl/table-name.js";
import { IBertError } from "../errors.js";
import { describeIssues } from "../formats/config-issues.js";
import { sha256OfText } from "../formats/hash.js";
import { lineOf, readYamlMapping } from "../formats/yaml.js";

export interface OwnColumn {
  name: string;
  /** The DSL's type string. */
  type: string;
  /** It tells the table's rows apart. */
  key?: boolean | undefined;
  /** It holds the key of that table. */
  references?: string | undefined;
  /** All values of a category, some of a text. */
  values?: string[] | undefined;
  /** What most of its numbers lie between. */
  range?: [low: number, high: number] | undefined;
  /** What people call it. */
  label?: string | undefined;
}

export interface OwnTables {
  /** The file, for errors. */
  path: string;
  /** Of all that the file says. */
  sha256: string;
  tables: { name: string; columns: OwnColumn[] }[];
  /** Where a table or a column stands: `line 7`. */
  place(table: string, column?: string): string;
}

const name = z.string().min(1);

/** A type alone, or a type with what is known of the column. */
const column = z.preprocess(
  (value) => (typeof value === "string" ? { type: value } : value),
  z.strictObject(
    {
      type: name,
      key: z.boolean().optional(),
      references: name.optional(),
      values: z
        .array(z.union([z.string(), z.number()]).transform(String))
        .min(1)
        .optional(),
      range: z
        .tuple([z.number(), z.number()])
        .refine(([low, high]) => low < high, { message: "the first number is not below the second" })
        .optional(),
      label: name.optional(),
    },
    {
      error: ({ code }) =>
        code === "invalid_type" ? "give a type, or { type: …, values: […], range: […], … }" : undefined,
    },
  ),
);
const table = z
  .record(name, column)
  .refine((columns) => Object.keys(columns).length > 0, { message: "it has no columns" });
const file = z.record(name, table).refine((tables) => Object.keys(tables).length > 0, {
  message: "it holds no tables",
});

/**
 * Reads a YAML or JSON file: `{ orders: { region: { type: string, values: [north, south] }, amount: float64 } }`. What
 * `--schema` takes elsewhere is such a file.
 * @throws IBertError `config-missing`; `config-invalid` naming table, column and line; `text-encoding`
 */
export function readOwnTables(path: string): OwnTables {
  const yaml = readYamlMapping(path, "It is a YAML or JSON file of tables, their columns and types.");
  const parsed = file.safeParse(yaml.value);
  if (!parsed.success) {
    const faults = describeIssues(parsed.error.issues, yaml.value, (key) => lineOf(yaml, key));
    throw new IBertError("config-invalid", `${path}: ${faults}`, {
      hint: 'A type with a comma goes in quotes: "decimal(12, 2)". docs/your-own-tables.md shows what a column may say.',
    });
  }
  const tables = Object.entries(parsed.data).map(([one, columns]) => ({
    name: one,
    columns: Object.entries(columns).map(([of, rest]) => ({ name: of, ...rest })),
  }));
  const place: OwnTables["place"] = (of, at) => {
    const line = lineOf(yaml, at === undefined ? [of] : [of, at]);
    return `${path}: ${at === undefined ? of : `${of}.${at}`}${line === undefined ? "" : ` (${line})`}`;
  };
  const refuse = (at: string, names: readonly string[]): void =>
    refuseRepeated(names, (problem) => new IBertError("config-invalid", `${at}: ${problem("name")}`));
  refuse(path, tables.map((one) => one.name)); // prettier-ignore
  for (const one of tables) refuse(place(one.name), one.columns.map((of) => of.name)); // prettier-ignore
  return {
    path,
    sha256: sha256OfText(JSON.stringify(tables)),
    tables,
    place,
  };
}
