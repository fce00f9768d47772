import type { Command } from "commander";
import { z } from "zod";

import type { Schema } from "../dsl/dsl.js";
import { IBertError } from "../errors.js";
import { readJson } from "../formats/json.js";

const SchemaFile = z.record(z.string().min(1), z.record(z.string().min(1), z.string().min(1)));

export interface SchemaOptions {
  schema?: string;
  table?: string[];
}

/** `--schema FILE` and `--table "name(column type, ...)"`, which add up. */
export function addSchemaOptions(command: Command): Command {
  return command
    .option("--schema <file>", 'JSON file of the tables: {"orders": {"region": "string"}}')
    .option(
      "--table <table>",
      'one table, e.g. "orders(region string, amount float64)"; may be repeated',
      (table: string, before: string[] | undefined) => [...(before ?? []), table],
    );
}

/** The tables that the options name; undefined when there is none. */
export function schemaFrom({ schema: file, table: tables }: SchemaOptions): Schema | undefined {
  if (file === undefined && tables === undefined) return undefined;
  const schema: Schema = file === undefined ? {} : readSchemaFile(file);
  for (const table of tables ?? []) {
    const [name, columns] = parseTable(table);
    schema[name] = columns;
  }
  return schema;
}

function readSchemaFile(file: string): Schema {
  const parsed = SchemaFile.safeParse(readJson(file));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new IBertError(
    "schema-invalid",
    `${file}: ${issue?.path.join(".") || "the top"}: ${issue?.message}`,
    {
      hint: 'It holds tables, their columns and types: {"orders": {"region": "string", "amount": "float64"}}',
    },
  );
}

/** `orders(region string, amount decimal(12, 2))` as its name and columns. */
export function parseTable(text: string): [name: string, columns: Record<string, string>] {
  const match = /^\s*(\w+)\s*\((.*)\)\s*$/s.exec(text);
  const columns: Record<string, string> = {};
  for (const part of splitAtCommas(match?.[2] ?? "")) {
    const [, name, type] = /^\s*(\w+)\s*[:\s]\s*(\S.*?)\s*$/s.exec(part) ?? [];
    if (name === undefined || type === undefined) throw badTable(text);
    columns[name] = type;
  }
  if (match?.[1] === undefined) throw badTable(text);
  return [match[1], columns];
}

/** Parts between the commas that stand in no bracket: `decimal(12, 2)` and `map<string, int64>` stay whole. */
function splitAtCommas(text: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const character of text) {
    if ("(<[".includes(character)) depth++;
    if (")>]".includes(character)) depth--;
    if (character === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += character;
  }
  return parts;
}

function badTable(text: string): IBertError {
  return new IBertError(
    "table-invalid",
    `--table ${JSON.stringify(text)}: this names no table with columns`,
    {
      hint: 'Write it as "orders(region string, amount float64)".',
    },
  );
}
