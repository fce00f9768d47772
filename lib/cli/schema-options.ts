import { readFileSync } from "node:fs";

import type { Command } from "commander";
import { isMap, isScalar, parseDocument } from "yaml";
import { z } from "zod";

import { readOwnTables } from "../data/own-tables.js";
import type { Schema } from "../dsl/dsl.js";
import { refuseRepeated } from "../dsl/table-name.js";
import { IBertError } from "../errors.js";
import { readJson } from "../formats/json.js";
import { parseTable } from "./table-spec.js";

const SchemaFile = z.record(z.string().min(1), z.record(z.string().min(1), z.string().min(1)));

export interface SchemaOptions {
  schema?: string;
  table?: string[];
}

/** `--schema FILE` and `--table "name(column type, ...)"`, which add up. */
export function addSchemaOptions(command: Command): Command {
  return command
    .option(
      "--schema <file>",
      'JSON file of the tables: {"orders": {"region": "string"}}; or the YAML file of data build --tables',
    )
    .option(
      "--table <table>",
      'one table, e.g. "orders(region string, amount float64)"; may be repeated; "quoted names" as in SQL',
      (table: string, before: string[] | undefined) => [...(before ?? []), table],
    );
}

/**
 * The tables that the options name; undefined when there is none.
 * @throws IBertError `table-invalid`, `table-repeated`, `column-repeated`, `schema-invalid`, `file-missing`, `json-invalid`;
 * of a YAML file those of `readOwnTables`
 */
export function schemaFrom({ schema: file, table: tables = [] }: SchemaOptions): Schema | undefined {
  if (file === undefined && tables.length === 0) return undefined;
  const inFile = file === undefined ? [] : Object.entries(readSchemaFile(file));
  const named = [...inFile, ...tables.map(parseTable)];
  refuseRepeated(
    named.map(([name]) => name),
    (problem) =>
      new IBertError("table-repeated", `--table: ${problem("table")}`, {
        hint: file === undefined ? "Give all its columns at once." : `The tables of ${file} count too.`,
      }),
  );
  return Object.fromEntries(named);
}

function readSchemaFile(file: string): Schema {
  if (/\.ya?ml$/i.test(file)) {
    const { tables } = readOwnTables(file);
    return Object.fromEntries(
      tables.map(({ name, columns }) => [
        name,
        Object.fromEntries(columns.map((one) => [one.name, one.type])),
      ]),
    );
  }
  const tables = readJson(file);
  const parsed = SchemaFile.safeParse(tables);
  if (parsed.success) {
    refuseRepeatedKeys(file);
    return tables as Schema; // not `parsed.data`, which leaves out a column named `__proto__`
  }
  const [issue] = parsed.error.issues;
  throw new IBertError(
    "schema-invalid",
    `${file}: ${issue?.path.join(".") || "the top"}: ${issue?.message}`,
    {
      hint: 'It holds tables, their columns and types: {"orders": {"region": "string", "amount": "float64"}}',
    },
  );
}

/** JSON.parse keeps the last of equal keys and says nothing; YAML, of which JSON is a part, is read with all of them. */
function refuseRepeatedKeys(file: string): void {
  const { contents: tables } = parseDocument(readFileSync(file, "utf8"), { uniqueKeys: false });
  refuseRepeated(
    keysOf(tables),
    (problem) => new IBertError("table-repeated", `--schema ${file}: ${problem("table")}`),
  );
  for (const { key, value } of isMap(tables) ? tables.items : []) {
    refuseRepeated(
      keysOf(value),
      (problem) =>
        new IBertError("column-repeated", `--schema ${file}: table ${String(key)}: ${problem("column")}`),
    );
  }
}

function keysOf(node: unknown): string[] {
  return isMap(node) ? node.items.map(({ key }) => (isScalar(key) ? String(key.value) : String(key))) : [];
}
