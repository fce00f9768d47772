import type { Random } from "../../../data/random.js";
import type { Schema } from "../../dsl.js";
import {
  COMMON_COLUMNS,
  DOMAINS,
  HELD_OUT_DOMAINS,
  PLAIN_STRINGS,
  PLAIN_TABLE_NAMES,
  type DomainWords,
} from "./words.js";

/** The kinds that the generator's typing rules tell apart. */
export type Kind = "int" | "float" | "decimal" | "str" | "bool" | "date" | "timestamp";

export interface Column {
  name: string;
  kind: Kind;
  /** Ibis type, e.g. `int64`. */
  type: string;
  /** Plausible literals of a string column. */
  values: readonly string[];
}

export interface Table {
  name: string;
  columns: Column[];
}

export interface RandomSchema {
  /** The domain and the tables, e.g. `retail/orders,customers`. */
  id: string;
  tables: Table[];
  heldOut: boolean;
}

export interface SchemaOptions {
  minColumns: number;
  maxColumns: number;
  /** 1, or 2 for a pair of tables that share a key. */
  tables: 1 | 2;
  heldOut: boolean;
}

const TYPE_OF: Record<Kind, string> = {
  int: "int64",
  float: "float64",
  decimal: "decimal(12, 2)",
  str: "string",
  bool: "boolean",
  date: "date",
  timestamp: "timestamp",
};

function parseColumn(text: string): Column {
  const [name, rest] = text.split(":") as [string, string];
  const [kind, values] = rest.split("=") as [Kind, string | undefined];
  return { name, kind, type: TYPE_OF[kind], values: values?.split("|") ?? PLAIN_STRINGS };
}

/** A table with `count` of its own and the common columns, always with a string and a number among them. */
function randomTable(
  random: Random,
  words: DomainWords["tables"][number],
  count: number,
  keep: string[],
): Table {
  const own = words.columns.map(parseColumn);
  const pool = [...own];
  for (const text of random.sample(COMMON_COLUMNS, 2)) {
    const column = parseColumn(text);
    if (!pool.some((other) => other.name === column.name)) pool.push(column);
  }
  const first = (test: (column: Column) => boolean): Column[] => {
    const found = pool.filter(test);
    return found.length > 0 ? [random.pick(found)] : [];
  };
  const must = [
    ...pool.filter((column) => keep.includes(column.name)),
    ...first((column) => column.kind === "str"),
    ...first((column) => (column.kind === "float" || column.kind === "int") && !column.name.endsWith("id")),
  ];
  const others = random.shuffled(pool.filter((column) => !must.includes(column)));
  const chosen = new Set([...must, ...others].slice(0, Math.max(count, must.length)));
  return { name: words.name, columns: pool.filter((column) => chosen.has(column)) };
}

/** A random schema of one table, or of two that share a key column. */
export function randomSchema(random: Random, options: SchemaOptions): RandomSchema {
  const words = random.pick(options.heldOut ? HELD_OUT_DOMAINS : DOMAINS);
  const size = (): number => random.between(options.minColumns, options.maxColumns);
  if (options.tables === 1) {
    const table = randomTable(random, random.pick(words.tables), size(), []);
    if (!options.heldOut && random.chance(0.25)) table.name = random.pick(PLAIN_TABLE_NAMES);
    return { id: `${words.name}/${table.name}`, tables: [table], heldOut: options.heldOut };
  }
  const pairs = words.tables.flatMap((left) =>
    words.tables.flatMap((right) => {
      const key = left.columns.find(
        (c) => /_id:|^team:/.test(c) && left !== right && right.columns.includes(c),
      );
      return key === undefined ? [] : [{ left, right, key: key.split(":")[0] as string }];
    }),
  );
  if (pairs.length === 0) return randomSchema(random, options);
  const { left, right, key } = random.pick(pairs);
  const leftTable = randomTable(random, left, size(), [key]);
  const rightTable = randomTable(random, right, size(), [key]);
  // Any other shared name would be renamed by the join; one table keeps it.
  const taken = new Set(leftTable.columns.map((column) => column.name));
  rightTable.columns = rightTable.columns.filter((column) => column.name === key || !taken.has(column.name));
  const tables = [leftTable, rightTable];
  return { id: `${words.name}/${left.name},${right.name}`, tables, heldOut: options.heldOut };
}

/** The tables in the form that the compiler takes. */
export function toSchema(tables: readonly Table[]): Schema {
  return Object.fromEntries(
    tables.map((table) => [table.name, Object.fromEntries(table.columns.map((c) => [c.name, c.type]))]),
  );
}
