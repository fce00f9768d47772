import type { Random } from "../../../data/random.js";
import type { Schema } from "../../dsl.js";
import { DOMAINS, HELD_OUT_DOMAINS } from "./domains/index.js";
import {
  keyOfTable,
  type ColumnWords,
  type DomainWords,
  type Range,
  type Role,
  type TableWords,
} from "./domains/parse.js";
import { randomNaming, type Naming } from "./naming.js";
import { isVariable } from "./python-names.js";

/** The kinds that the generator's typing rules tell apart; `other` is only kept and counted. */
export type Kind = "int" | "float" | "decimal" | "str" | "bool" | "date" | "timestamp" | "other";
type ColumnKind = Exclude<Kind, "other">;

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
  /** Tables along foreign keys; fewer where the domain has no more. */
  tables: number;
  heldOut: boolean;
  /** Names in snake case only, as in the quick start. */
  simple: boolean;
}

const KIND_OF: Readonly<Record<Role, ColumnKind>> = {
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
};

const TYPE_OF: Readonly<Record<ColumnKind, string>> = {
  int: "int64",
  float: "float64",
  decimal: "decimal(12, 2)",
  str: "string",
  bool: "boolean",
  date: "date",
  timestamp: "timestamp",
};

/** Columns that any table may have besides its own. */
const COMMON: readonly ColumnWords[] = [
  { name: "notes", role: "text", values: [] },
  { name: "created_at", role: "ts", values: [] },
  { name: "updated_at", role: "ts", values: [] },
  { name: "is_deleted", role: "flag", values: [] },
  { name: "source", role: "category", values: ["import", "manual", "api"] },
];

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

/** The columns that a sampled table has: those of `keep`, a text and a number where it has them, and others by chance. */
function sampleColumns(
  random: Random,
  words: TableWords,
  count: number,
  keep: ReadonlySet<string>,
): ColumnWords[] {
  const common = COMMON.filter(({ name }) => words.columns.every((column) => column.name !== name));
  const pool = [...words.columns, ...(random.chance(0.3) ? random.sample(common, 1) : [])];
  const first = (test: (column: ColumnWords) => boolean): ColumnWords[] => {
    const found = pool.filter(test);
    return found.length > 0 ? [random.pick(found)] : [];
  };
  const must = [
    ...pool.filter((column) => keep.has(column.name)),
    ...first(({ role }) => role === "category"),
    ...first(({ role }) => role === "money" || role === "real" || role === "count"),
  ];
  const others = random.shuffled(pool.filter((column) => !must.includes(column)));
  const chosen = new Set([...must, ...others].slice(0, Math.max(count, must.length)));
  return pool.filter((column) => chosen.has(column));
}

function toColumn(random: Random, words: ColumnWords, naming: Naming): Column {
  const kind = words.role === "money" && random.chance(0.5) ? "float" : KIND_OF[words.role];
  return {
    name: naming.column(words.name),
    kind,
    type: TYPE_OF[kind],
    role: words.role,
    label: words.name.replaceAll("_", " "),
    values: words.values,
    ...(words.range === undefined ? {} : { range: words.range }),
  };
}

/** A random schema: one table, or several along foreign keys. */
export function randomSchema(random: Random, options: SchemaOptions): RandomSchema {
  const domain = random.pick(options.heldOut ? HELD_OUT_DOMAINS : DOMAINS);
  const naming = randomNaming(random, options.simple);
  const chosen = [random.pick(domain.tables)];
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
    const count = random.between(options.minColumns, options.maxColumns);
    const kept = keep[i] ?? new Set<string>();
    // A name that two tables share would be renamed by a join: one table keeps it, unless it is what joins them.
    const columns = sampleColumns(random, words, count, kept).filter(
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
  if (tables.length === 1 && !options.heldOut && random.chance(0.1))
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
