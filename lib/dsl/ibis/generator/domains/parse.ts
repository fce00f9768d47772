/**
 * The notation of the domains. A line at the margin names a domain, an indented one a table and its columns:
 *
 *     name:key              an integer that tells rows apart
 *     name>table            an integer key of another table of the domain
 *     name=a|b|c            a category with all its values
 *     name:money(5..900)    a decimal or a float within a range; also `real` (float) and `count` (integer)
 *     name:ts  name:date  name:flag  name:text
 *     name:time  name:instant  name:uuid  name:bytes   a time of day, a moment in UTC, an identifier, raw bytes
 *     name:list(a|b|c)      an array of texts; name:list(0..100) of integers
 *     name:struct(…)  name:json(…)  name:map(…)   parts in this same notation, with commas between; those of a map are
 *                           categories, and a document or a map may lack any of them
 *     name:person  name:city  name:word  name:address   texts whose values come from a list
 */

export const ROLES = [
  "key",
  "foreign",
  "category",
  "money",
  "real",
  "count",
  "ts",
  "date",
  "flag",
  "text",
  "time",
  "instant",
  "uuid",
  "bytes",
  "list",
  "numbers",
  "struct",
  "map",
  "json",
  "other",
] as const;
/** What a column is for: whether it is counted, added up, grouped by or compared. */
export type Role = (typeof ROLES)[number];

export type Range = readonly [low: number, high: number];

export interface ColumnWords {
  name: string;
  role: Role;
  /** All values of a category; some of a text; none of a text that is only searched. */
  values: readonly string[];
  range?: Range;
  /** The table whose key a foreign column holds. */
  references?: string;
  /** What a struct, a map or a document holds. */
  parts?: readonly ColumnWords[];
  /** Of tables that a user has: Ibis's type and the words for the column, which are drawn and derived else. */
  type?: string;
  label?: string;
}

export interface TableWords {
  name: string;
  columns: ColumnWords[];
}

export interface DomainWords {
  name: string;
  tables: TableWords[];
}

const LISTS: Readonly<Record<string, readonly string[]>> = {
  person: [
    "Smith",
    "Garcia",
    "Chen",
    "Okafor",
    "Novak",
    "Dubois",
    "Haddad",
    "Kowalski",
    "Tanaka",
    "Silva",
    "Larsen",
    "Rossi",
  ],
  city: [
    "Paris",
    "Berlin",
    "Austin",
    "Lagos",
    "Osaka",
    "Lima",
    "Oslo",
    "Turin",
    "Leeds",
    "Quito",
    "Perth",
    "Porto",
  ],
  word: [
    "alpha",
    "nova",
    "acme",
    "delta",
    "orion",
    "vertex",
    "summit",
    "apex",
    "zenith",
    "atlas",
    "ember",
    "prime",
  ],
  address: [
    "https://shop.example/toys?page=2",
    "https://news.example/world#top",
    "http://docs.example/guide/start",
    "https://ann@files.example/a.csv",
  ],
  text: [],
};

/** The texts between commas that are in no brackets. */
export function splitParts(text: string, opening = "(", closing = ")"): string[] {
  const parts = [""];
  let depth = 0;
  for (const letter of text) {
    depth += opening.includes(letter) ? 1 : closing.includes(letter) ? -1 : 0;
    if (letter === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += letter;
  }
  return parts;
}

function parseNested(text: string): ColumnWords | undefined {
  const found = /^(\w+):(list|struct|map|json)\((.+)\)$/.exec(text);
  if (found === null) return undefined;
  const [, name = "", kind = "", inner = ""] = found;
  const bounds = /^(-?\d+)\.\.(-?\d+)$/.exec(inner);
  if (kind !== "list") {
    return { name, role: kind as Role, values: [], parts: splitParts(inner).map(parseColumn) };
  }
  return bounds === null
    ? { name, role: "list", values: inner.split("|") }
    : { name, role: "numbers", values: [], range: [Number(bounds[1]), Number(bounds[2])] };
}

function parseColumn(text: string): ColumnWords {
  const nested = parseNested(text);
  if (nested !== undefined) return nested;
  const found =
    /^(\w+)(?:>(?<references>\w+)|=(?<values>\S+)|:(?<type>[a-z]+)(?:\((?<low>[-\d.]+)\.\.(?<high>[-\d.]+)\))?)$/.exec(
      text,
    );
  const [, name = ""] = found ?? [];
  const { references, values, type = "", low, high } = found?.groups ?? {};
  if (references !== undefined) return { name, role: "foreign", values: [], references };
  if (values !== undefined) return { name, role: "category", values: values.split("|") };
  const list = LISTS[type];
  if (list !== undefined) return { name, role: "text", values: list };
  const role = ROLES.find((one) => one === type && one !== "other");
  const isMeasure = role === "money" || role === "real" || role === "count";
  if (role === undefined || isMeasure !== (low !== undefined)) {
    throw new Error(`${text}: not a column in the notation of the domains`);
  }
  return { name, role, values: [], ...(isMeasure ? { range: [Number(low), Number(high)] } : {}) };
}

/** @throws Error naming the column, table or domain that is not as the notation has it */
export function parseDomains(...texts: readonly string[]): DomainWords[] {
  const domains: DomainWords[] = [];
  for (const line of texts.flatMap((text) => text.split("\n"))) {
    const [name = "", ...columns] = line.trim().split(/ +/);
    if (name === "") continue;
    if (!line.startsWith(" ")) domains.push({ name, tables: [] });
    else domains.at(-1)?.tables.push({ name, columns: columns.map(parseColumn) });
  }
  return domains;
}

/** Domains with the columns of others of their names and tables added. @throws Error naming a table that is not there */
export function withColumns(domains: readonly DomainWords[], more: readonly DomainWords[]): DomainWords[] {
  const added = new Map(
    more.flatMap(({ name, tables }) => tables.map((table) => [`${name}.${table.name}`, table.columns])),
  );
  const whole = domains.map(({ name, tables }) => ({
    name,
    tables: tables.map((table) => {
      const columns = added.get(`${name}.${table.name}`) ?? [];
      added.delete(`${name}.${table.name}`);
      return { name: table.name, columns: [...table.columns, ...columns] };
    }),
  }));
  for (const place of added.keys()) throw new Error(`${place}: no such table has columns added to it`);
  return whole;
}

/** The column that tells a table's rows apart, which foreign columns refer to. */
export const keyOfTable = (table: TableWords): ColumnWords | undefined =>
  table.columns.find(({ role }) => role === "key");
