import type { Random } from "../../../data/random.js";
import type { Schema } from "../../dsl.js";
import { DOMAINS, HELD_OUT_DOMAINS } from "./domains/index.js";
import {
  keyOfTable,
  parseDomains,
  type ColumnWords,
  type DomainWords,
  type Range,
  type Role,
  type TableWords,
} from "./domains/parse.js";
import { randomNaming, type Naming } from "./naming.js";
import { isVariable } from "./python-names.js";
import { isAddress } from "./scope.js";

/**
 * The kinds that the generator's typing rules tell apart; `other` is only kept and counted. `strs` and `ints` are arrays,
 * `instant` is a timestamp in UTC, `map` is one of texts to texts.
 */
export type Kind =
  | "int"
  | "float"
  | "decimal"
  | "str"
  | "bool"
  | "date"
  | "timestamp"
  | "time"
  | "instant"
  | "uuid"
  | "bytes"
  | "strs"
  | "ints"
  | "struct"
  | "map"
  | "json"
  | "other";
type ColumnKind = Exclude<Kind, "other">;

/** A user's own tables, and how often a program is about them instead of one of the domains. */
export interface OwnDomain {
  domain: DomainWords;
  share: number;
}

export interface Column {
  name: string;
  kind: Kind;
  /** Ibis type, e.g. `int64`. */
  type: string;
  /** What the column is for; an expression's result has none. */
  role?: Role;
  /** The words for it: the name without the warehouse's spelling. */
  label?: string;
  /** All values of a category, some of a text. */
  values: readonly string[];
  /** What a number lies between. */
  range?: Range;
  /** What a struct, a map or a document holds, each under its own name. */
  parts?: readonly Column[];
  /** A key that tells rows apart, a count: to ask whether it is NULL says nothing. */
  neverNull?: boolean;
}

export interface Table {
  name: string;
  columns: Column[];
}

/** A foreign key: `tables[from].column` holds `tables[to].key`; the two names may differ. */
export interface Relation {
  from: number;
  column: string;
  to: number;
  key: string;
}

export interface RandomSchema {
  /** The domain and the tables, e.g. `retail/orders,customers`. */
  id: string;
  tables: Table[];
  /** Each table but the first is tied to one before it; in that order. */
  relations: Relation[];
  heldOut: boolean;
}

export interface SchemaOptions {
  minColumns: number;
  maxColumns: number;
  /** Tables along foreign keys; up to three, fewer where the domain has no more. */
  tables: number;
  heldOut: boolean;
  /** Names in snake case only, as in the quick start. */
  simple: boolean;
  own?: OwnDomain | undefined;
}

const KIND_OF: Readonly<Record<Role, Kind>> = {
  key: "int",
  foreign: "int",
  category: "str",
  money: "decimal",
  real: "float",
  count: "int",
  ts: "timestamp",
  date: "date",
  flag: "bool",
  text: "str",
  time: "time",
  instant: "instant",
  uuid: "uuid",
  bytes: "bytes",
  list: "strs",
  numbers: "ints",
  struct: "struct",
  map: "map",
  json: "json",
  other: "other",
};

const TYPE_OF: Readonly<Record<ColumnKind, string>> = {
  int: "int64",
  float: "float64",
  decimal: "decimal(12, 2)",
  str: "string",
  bool: "boolean",
  date: "date",
  timestamp: "timestamp",
  time: "time",
  instant: "timestamp('UTC')",
  uuid: "uuid",
  bytes: "binary",
  strs: "array<string>",
  ints: "array<int64>",
  struct: "struct<>",
  map: "map<string, string>",
  json: "json",
};

/** Roles that a table of the quick start has no column of: what they are for takes longer to learn. */
const BEYOND_SIMPLE: ReadonlySet<Role> = new Set<Role>([
  ...(["time", "instant", "uuid", "bytes", "list", "numbers", "struct", "map", "json", "other"] as const),
]);

/** Columns that any table may have besides its own. */
const COMMON: readonly ColumnWords[] = [
  { name: "notes", role: "text", values: [] },
  { name: "created_at", role: "ts", values: [] },
  { name: "updated_at", role: "ts", values: [] },
  { name: "is_deleted", role: "flag", values: [] },
  { name: "source", role: "category", values: ["import", "manual", "api"] },
];

/** Columns of nested types that any table of the full profile may have besides its own. */
const COMMON_NESTED: readonly ColumnWords[] =
  parseDomains(`common
  any tags:list(new|hot|old|check) labels:map(owner=ops|sales|lab,stage=raw|final) metadata:json(version:count(1..9),origin=import|manual|api,checked:flag) synced_at:instant scores:list(0..100)
`)[0]?.tables[0]?.columns ?? [];

/** How often a table has one of them, and a column of its own of such a type is kept. */
const NESTED_SHARE = { common: 0.07, own: 0.6 };

/** Columns of a table of a user's that is shown whole. */
const MOST_OWN_COLUMNS = 16;

/** How often the address of a page is kept: few tables have one, and many functions are about nothing else. */
const ADDRESS_SHARE = 0.8;

/** Names that people give to a table whose name says nothing. */
const PLAIN_TABLE_NAMES: readonly string[] = ["df", "t", "data", "records"];

/** A tie of a table to one that is in the schema already. */
interface Tie {
  table: TableWords;
  at: number;
  column: string;
  key: string;
  /** Whether the new table holds the foreign key. */
  newHolds: boolean;
}

function tiesOf(domain: DomainWords, chosen: readonly TableWords[]): Tie[] {
  const ties: Tie[] = [];
  const refer = (from: TableWords, to: TableWords): { column: string; key: string }[] =>
    from.columns.flatMap(({ name, references }) => {
      const key = keyOfTable(to)?.name;
      return references === to.name && key !== undefined ? [{ column: name, key }] : [];
    });
  for (const [at, old] of chosen.entries()) {
    for (const table of domain.tables) {
      if (chosen.includes(table)) continue;
      ties.push(...refer(old, table).map((tie) => ({ ...tie, table, at, newHolds: false })));
      ties.push(...refer(table, old).map((tie) => ({ ...tie, table, at, newHolds: true })));
    }
  }
  return ties;
}

/**
 * The columns that a sampled table has: those of `keep`, a text and a number where it has them, and others by chance;
 * with `more`, sometimes one that any table may have.
 */
function sampleColumns(
  random: Random,
  words: TableWords,
  count: number,
  { keep, simple, more }: { keep: ReadonlySet<string>; simple: boolean; more: number },
): ColumnWords[] {
  const own = words.columns.filter(({ role }) => !(simple && BEYOND_SIMPLE.has(role)));
  const absent = (columns: readonly ColumnWords[]): ColumnWords[] =>
    columns.filter(({ name }) => words.columns.every((column) => column.name !== name));
  const pool = [
    ...own,
    ...(random.chance(0.3 * more) ? random.sample(absent(COMMON), 1) : []),
    ...(!simple && random.chance(NESTED_SHARE.common * more) ? random.sample(absent(COMMON_NESTED), 1) : []),
  ];
  const first = (test: (column: ColumnWords) => boolean): ColumnWords[] => {
    const found = pool.filter(test);
    return found.length > 0 ? [random.pick(found)] : [];
  };
  const must = [
    ...pool.filter((column) => keep.has(column.name)),
    ...first(({ role }) => role === "category"),
    ...first(({ role }) => role === "money" || role === "real" || role === "count"),
    ...(random.chance(NESTED_SHARE.own) ? first(({ role }) => BEYOND_SIMPLE.has(role)) : []),
    ...(!simple && random.chance(ADDRESS_SHARE)
      ? first(({ values }) => isAddress({ kind: "str", values }))
      : []),
  ];
  const others = random.shuffled(pool.filter((column) => !must.includes(column)));
  const chosen = new Set([...must, ...others].slice(0, Math.max(count, must.length)));
  return pool.filter((column) => chosen.has(column));
}

/** Keys of what a column holds are no names of the warehouse's. */
const PLAIN_NAMES: Naming = { table: (name) => name, column: (name) => name };

/** The kind of a column of that type, as Ibis writes it. */
export function kindOfType(type: string): Kind {
  if (/^u?int\d+$/.test(type)) return "int";
  if (/^float\d+$/.test(type)) return "float";
  if (/^decimal\b/.test(type)) return "decimal";
  if (/^timestamp(?:\(\d+\))?$/.test(type)) return "timestamp";
  if (/^timestamp\('UTC'(?:, \d+)?\)$/.test(type)) return "instant";
  if (/^array<u?int\d+>$/.test(type)) return "ints";
  if (type.startsWith("struct<")) return "struct";
  return (Object.keys(TYPE_OF) as ColumnKind[]).find((kind) => TYPE_OF[kind] === type) ?? "other";
}

function toColumn(random: Random, words: ColumnWords, naming: Naming): Column {
  const parts = (words.parts ?? []).map((part) => toColumn(random, part, PLAIN_NAMES));
  const [kind, type] =
    words.type === undefined ? drawnType(random, words, parts) : ownType(words, words.type);
  return {
    name: naming.column(words.name),
    kind,
    type,
    role: words.role,
    label: words.label ?? words.name.replaceAll("_", " "),
    values: words.values,
    ...(words.range === undefined ? {} : { range: words.range }),
    ...(parts.length === 0 ? {} : { parts }),
    ...(words.role === "key" ? { neverNull: true } : {}),
  };
}

function drawnType(random: Random, { role }: ColumnWords, parts: readonly Column[]): [Kind, string] {
  const kind = role === "money" && random.chance(0.5) ? "float" : KIND_OF[role];
  if (kind === "other") throw new RangeError(`a column of the role ${role} has its own type`);
  return [kind, kind === "struct" ? structType(parts) : TYPE_OF[kind]];
}

const ownType = ({ role }: ColumnWords, type: string): [Kind, string] => [
  role === "other" ? "other" : kindOfType(type),
  type,
];

const structType = (parts: readonly Column[]): string =>
  `struct<${parts.map(({ name, type }) => `${name}: ${type}`).join(", ")}>`;

/** From so many tables on, they are of a domain that has as many: most have two or three. */
export const WIDE = 4;

/** How often the tables of a wide schema begin with the fact, which holds the keys of the others. */
const FACT_FIRST = 0.6;

/** A random schema: one table, or several along foreign keys. */
export function randomSchema(random: Random, options: SchemaOptions): RandomSchema {
  const own = options.heldOut ? undefined : options.own;
  const isOwn = own !== undefined && random.chance(own.share);
  const isWide = options.tables >= WIDE;
  const domains = options.heldOut ? HELD_OUT_DOMAINS : DOMAINS;
  const domain = isOwn
    ? own.domain
    : random.pick(isWide ? domains.filter(({ tables }) => tables.length >= options.tables) : domains);
  const naming = isOwn ? PLAIN_NAMES : randomNaming(random, options.simple);
  const [fact] = domain.tables as [TableWords];
  const chosen = [isWide && !isOwn && random.chance(FACT_FIRST) ? fact : random.pick(domain.tables)];
  const ties: Tie[] = [];
  while (chosen.length < options.tables) {
    const found = tiesOf(domain, chosen);
    if (found.length === 0) break;
    const tie = random.pick(found);
    ties.push(tie);
    chosen.push(tie.table);
  }
  const keep = chosen.map((_, i) => {
    const names = ties.flatMap((tie, j) => {
      const [holder, held] = tie.newHolds ? [j + 1, tie.at] : [tie.at, j + 1];
      return [...(holder === i ? [tie.column] : []), ...(held === i ? [tie.key] : [])];
    });
    return new Set(names);
  });
  const joining = new Set(keep.flatMap((names) => [...names]));
  const taken = new Set<string>();
  const tables = chosen.map((words, i): Table => {
    // Who has tables asks about them whole; a wide one is shown in part.
    const whole = isOwn && words.columns.length <= MOST_OWN_COLUMNS && random.chance(0.5);
    const count = whole ? words.columns.length : random.between(options.minColumns, options.maxColumns);
    const kept = keep[i] ?? new Set<string>();
    // A name that two tables share would be renamed by a join: one table keeps it, unless it is what joins them.
    const more = isOwn ? 0 : 1;
    const columns = sampleColumns(random, words, count, { keep: kept, simple: options.simple, more }).filter(
      ({ name }) => kept.has(name) || !(taken.has(name) || joining.has(name)),
    );
    for (const { name } of columns) taken.add(name);
    const table = naming.table(words.name);
    return {
      name: isVariable(table) ? table : words.name,
      columns: columns.map((column) => toColumn(random, column, naming)),
    };
  });
  const [root] = tables as [Table];
  if (tables.length === 1 && !options.heldOut && !isOwn && random.chance(0.1))
    root.name = random.pick(PLAIN_TABLE_NAMES);
  const relations = ties.map((tie, i): Relation => {
    const [from, to] = tie.newHolds ? [i + 1, tie.at] : [tie.at, i + 1];
    return { from, column: naming.column(tie.column), to, key: naming.column(tie.key) };
  });
  const id = `${domain.name}/${tables.map(({ name }) => name).join(",")}`;
  return { id, tables, relations, heldOut: options.heldOut };
}

/** The tables in the form that the compiler takes. */
export function toSchema(tables: readonly Table[]): Schema {
  return Object.fromEntries(
    tables.map((table) => [table.name, Object.fromEntries(table.columns.map((c) => [c.name, c.type]))]),
  );
}
