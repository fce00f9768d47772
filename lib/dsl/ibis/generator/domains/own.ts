/** A user's own tables as a domain: what their file leaves open is told from names and types. */
import type { OwnColumn, OwnTables } from "../../../../data/own-tables.js";
import { IBertError } from "../../../../errors.js";
import type { DslEngine } from "../../../dsl.js";
import { isVariable } from "../python-names.js";
import { kindOfType, type Kind } from "../schemas.js";
import { splitParts, type ColumnWords, type DomainWords, type Role, type TableWords } from "./parse.js";

/** The domain's name in the ids of schemas. */
export const OWN_DOMAIN = "own";

/** Texts of a column without values are searched and never compared. */
const ROLE_OF_KIND: Readonly<Record<Kind, Role>> = {
  int: "count",
  float: "real",
  decimal: "money",
  str: "text",
  bool: "flag",
  date: "date",
  timestamp: "ts",
  time: "time",
  instant: "instant",
  uuid: "uuid",
  bytes: "bytes",
  strs: "list",
  ints: "numbers",
  struct: "struct",
  // What these hold, no type says.
  map: "other",
  json: "other",
  other: "other",
};

/** `customerId`, `CUSTOMER_ID` and `Customer Id` as people say them: customer id. */
export const wordsOf = (name: string): string =>
  name
    .replace(/([a-z\d])([A-Z])/g, "$1 $2")
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "")
    .join(" ")
    .toLowerCase();

const singular = (word: string): string =>
  word.replace(/ies$/, "y").replace(/(ss|x|ch|sh)es$/, "$1").replace(/([^s])s$/, "$1"); // prettier-ignore
const isKeyType = (kind: Kind): boolean => kind === "int" || kind === "str" || kind === "uuid";

/** The fields of a struct; undefined where one of them is of a type that only whole values are asked about. */
function fieldsOf(type: string): ColumnWords[] | undefined {
  const fields = splitParts(type.slice("struct<".length, -1), "(<", ")>").map((field) => {
    const [, name = "", of = ""] = /^\s*(\w+): (.+)$/.exec(field) ?? [];
    return { name, of };
  });
  if (fields.some(({ name }) => name === "")) return undefined;
  return fields.map(({ name, of }) => ofType(name, of));
}

function ofType(name: string, type: string): ColumnWords {
  const kind = kindOfType(type);
  const parts = kind === "struct" ? fieldsOf(type) : undefined;
  const role = kind === "strs" || (kind === "struct" && parts === undefined) ? "other" : ROLE_OF_KIND[kind];
  const label = wordsOf(name);
  return { name, role, values: [], type, label: label === "" ? name : label, ...(parts === undefined ? {} : { parts }) };
} // prettier-ignore

/** A column before it is known what it refers to. */
function columnOf(column: OwnColumn, type: string, place: string): ColumnWords {
  const words = ofType(column.name, type);
  const kind = kindOfType(type);
  const refuse = (problem: string, hint: string): never => {
    throw new IBertError("config-invalid", `${place}: ${problem}`, { hint });
  };
  if (column.values !== undefined && kind !== "str" && kind !== "strs")
    refuse(
      `values of a column of type ${type}`,
      "Texts and arrays of texts have values; numbers have a range.",
    );
  if (column.range !== undefined && !["int", "float", "decimal", "ints"].includes(kind))
    refuse(`a range of a column of type ${type}`, "Numbers have a range; texts have values.");
  if (column.key === true && !isKeyType(kind))
    refuse(`a key of type ${type}`, "Keys are integers, texts or UUIDs.");
  const role = column.key === true
    ? "key"
    : column.values === undefined ? words.role : kind === "strs" ? "list" : "category"; // prettier-ignore
  return {
    ...words,
    role,
    values: column.values ?? [],
    ...(column.range === undefined ? {} : { range: column.range }),
    ...(column.label === undefined ? {} : { label: column.label }),
  };
}

/** Names of the key that a table of that name may have. */
function keyNames(table: string): Set<string> {
  const words = wordsOf(table).split(" ");
  const last = singular(words.at(-1) ?? "");
  const whole = [...words.slice(0, -1), last].join(" ");
  return new Set(["id", ...[whole, last, words.join(" ")].flatMap((one) => [`${one} id`, `${one} key`, `${one} no`])]);
} // prettier-ignore

/** Gives a table that names no key the column that is called like one. */
function withKey(table: TableWords, named: OwnTables["tables"][number]): TableWords {
  if (table.columns.some(({ role }) => role === "key")) return table;
  const names = keyNames(table.name);
  const key = table.columns.find((column, i) => {
    const own = named.columns[i] as OwnColumn;
    const open = own.references === undefined && own.values === undefined && own.range === undefined;
    return open && isKeyType(kindOfType(column.type ?? "")) && names.has(wordsOf(column.name));
  });
  if (key === undefined) return table;
  return {
    ...table,
    columns: table.columns.map((one) => (one === key ? { ...one, role: "key" as const, values: [] } : one)),
  };
}

const keyOf = ({ columns }: TableWords): ColumnWords | undefined =>
  columns.find(({ role }) => role === "key");

/** The table whose key a column is called like and is of the type of; undefined where there are none or several. */
function referredTo(column: ColumnWords, of: TableWords, tables: readonly TableWords[]): string | undefined {
  const words = wordsOf(column.name);
  const found = tables.filter((table) => {
    const key = keyOf(table);
    if (table === of || key === undefined || key.type !== column.type) return false;
    const called = keyNames(table.name);
    called.delete("id");
    return called.has(words) || (wordsOf(key.name) !== "id" && wordsOf(key.name) === words);
  });
  return found.length === 1 ? found[0]?.name : undefined;
}

/** Types as Ibis writes them: `decimal(9,2)` is `decimal(9, 2)`. @throws IBertError for a text that is no type */
async function typesOf(engine: DslEngine, { tables, path }: OwnTables): Promise<Record<string, string>[]> {
  const schema = (name: string, columns: readonly OwnColumn[]): Record<string, Record<string, string>> => ({
    [name]: Object.fromEntries(columns.map((column) => [column.name, column.type])),
  });
  return Promise.all(
    tables.map(async ({ name, columns }) => {
      const labelled = await engine.label(name, { schema: schema(name, columns) }).catch((cause: unknown) => {
        if (!(cause instanceof IBertError)) throw cause;
        throw new IBertError(cause.code, `${path}: ${cause.message}`, {
          cause,
          ...(cause.hint === undefined ? {} : { hint: cause.hint }),
        });
      });
      if (labelled.outputSchema !== undefined) return labelled.outputSchema;
      const because = `${labelled.error?.type ?? ""}: ${labelled.error?.message ?? ""}`;
      throw new IBertError("schema-invalid", `${path}: ${name}: ${because}`);
    }),
  );
}

/**
 * The tables of a file as a domain. A column called like its table's key is that key, one called like another table's
 * key refers to it, unless the file says something else of it.
 * @throws IBertError `config-invalid`, `schema-invalid` naming table and column
 */
export async function ownDomain(engine: DslEngine, own: OwnTables): Promise<DomainWords> {
  const unnamed = own.tables.find(({ name }) => !isVariable(name));
  if (unnamed !== undefined) {
    throw new IBertError(
      "config-invalid",
      `${own.place(unnamed.name)}: no variable of a program has that name`,
      {
        hint: "Call a table what programs call it: t_orders for a table sales.orders, say.",
      },
    );
  }
  const types = await typesOf(engine, own);
  const plain = own.tables.map((table, i): TableWords => {
    const columns = table.columns.map((column) =>
      columnOf(column, types[i]?.[column.name] ?? column.type, own.place(table.name, column.name)),
    );
    return withKey({ name: table.name, columns }, table);
  });
  const tables = plain.map((table, i): TableWords => ({
    name: table.name,
    columns: table.columns.map((column, j) => {
      const said = own.tables[i]?.columns[j] as OwnColumn;
      const target = said.references ?? undefined;
      if (target !== undefined) checkReference(own.place(table.name, column.name), column, target, plain);
      const open = column.role !== "key" && said.values === undefined && said.range === undefined;
      const references = target ?? (open ? referredTo(column, table, plain) : undefined);
      return references === undefined ? column : { ...column, role: "foreign", values: [], references };
    }),
  }));
  return { name: OWN_DOMAIN, tables };
}

function checkReference(
  place: string,
  column: ColumnWords,
  target: string,
  tables: readonly TableWords[],
): void {
  const table = tables.find(({ name }) => name === target);
  const key = table && keyOf(table);
  const problem =
    table === undefined
      ? `it refers to ${target}, which is no table of the file`
      : key === undefined
        ? `it refers to ${target}, which has no key`
        : key.type === column.type
          ? undefined
          : `it is of type ${column.type}, and the key ${key.name} of ${target} of type ${key.type}`;
  if (problem === undefined) return;
  throw new IBertError("config-invalid", `${place}: ${problem}`, {
    hint: "references: orders names a table, one column of which has key: true.",
  });
}

/** What was made of each table, for the user to see: `orders: key order_id; customer_id of customers; region of 4 values; …`. */
export function describeDomain({ tables }: DomainWords): string[] {
  return tables.map(({ name, columns }) => {
    const of = (role: Role): string[] => columns.filter((one) => one.role === role).map((one) => one.name);
    const said = [
      ...of("key").map((key) => `key ${key}`),
      ...columns.flatMap((one) => (one.references === undefined ? [] : [`${one.name} of ${one.references}`])),
      ...columns.flatMap((one) =>
        one.role === "category" ? [`${one.name} of ${one.values.length} values`] : [],
      ),
      ...(of("text").length === 0 ? [] : [`only searched: ${of("text").join(", ")}`]),
      ...(of("other").length === 0 ? [] : [`only kept and counted: ${of("other").join(", ")}`]),
    ];
    return `${name}: ${said.join("; ") || "nothing but numbers, days and flags"}`;
  });
}
