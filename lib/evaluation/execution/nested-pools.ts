/** Literals of nested and rarer types that columns of small tables may hold. */
import type { QueryConstant } from "../../dsl/dsl.js";

/** Literals that a column may hold. */
export interface Pool {
  /** Constants themselves. */
  exact: string[];
  /** What lies beside them. */
  near: string[];
  common: string[];
  /** A value that no other row has. */
  fresh(index: number): string;
}

type PoolOf = (type: string, own: readonly QueryConstant[], loose: readonly QueryConstant[]) => Pool;

const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`;
const textsOf = (constants: readonly QueryConstant[]): string[] =>
  [...new Set(constants.flatMap(([kind, value]) => (kind === "text" ? [value] : [])))].slice(0, 12);
const numbersOf = (constants: readonly QueryConstant[]): number[] =>
  [...new Set(constants.flatMap(([kind, value]) => (kind === "number" ? [Number(value)] : [])))].filter(
    Number.isFinite,
  );
const at = <T>(items: readonly T[], index: number): T => items[index % items.length] as T;

const pooled = (common: readonly string[]): Pool => ({
  exact: [],
  near: [],
  common: [...common],
  fresh: (index) => at(common, index),
});

/** The parts of `a INTEGER, b STRUCT(c VARCHAR, d DATE)` that commas outside of brackets and quotes part. */
function splitTypes(text: string): string[] {
  const parts = [""];
  let [depth, inQuotes] = [0, false];
  for (const letter of text) {
    if (letter === '"') inQuotes = !inQuotes;
    if (!inQuotes) depth += letter === "(" ? 1 : letter === ")" ? -1 : 0;
    if (letter === "," && depth === 0 && !inQuotes) parts.push("");
    else parts[parts.length - 1] += letter;
  }
  return parts.map((part) => part.trim());
}

const all = ({ exact, near, common }: Pool): string[] => [...exact, ...exact, ...near, ...common];

function listPool(items: readonly string[]): Pool {
  if (items.length === 0) return pooled(["NULL", "[]"]);
  return pooled([
    "[]",
    ...items.map((item, i) => `[${item}, ${at(items, i + 1)}]`),
    ...items.map((item, i) => `[${at(items, i + 2)}, ${item}, ${at(items, i + 5)}, ${item}]`).slice(0, 12),
    `[${items[0]}]`,
    "[NULL]",
  ]);
}

function structPool(fields: readonly string[], pools: readonly Pool[]): Pool {
  const names = fields.map((field) => /^("(?:[^"]|"")+"|\S+)/.exec(field)?.[1] ?? "");
  const parts = pools.map(all);
  const one = (index: number): string => {
    // Each field goes through its own values at its own pace.
    const values = parts.map((items, i) => (items.length === 0 ? "NULL" : at(items, index * (i + 1) + i)));
    return `{${names.map((name, i) => `${quoted(name.replaceAll('"', ""))}: ${values[i]}`).join(", ")}}`;
  };
  return pooled(
    Array.from({ length: 2 * Math.max(4, ...parts.map(({ length }) => length)) }, (_, i) => one(i)),
  );
}

/** Keys and values of a map alike come from the texts of the query. */
function mapPool(key: Pool, value: Pool): Pool {
  const [keys, values] = [all(key), all(value)];
  const entry = (i: number, shift: number): string => `${at(keys, i)}: ${at(values, i + shift)}`;
  const maps = keys.flatMap((_, i) => [
    `MAP {${entry(i, 1)}}`,
    `MAP {${entry(i, keys.length + 3)}}`,
    ...(at(keys, i) === at(keys, i + 1) ? [] : [`MAP {${entry(i, 2)}, ${entry(i + 1, 4)}}`]),
  ]);
  return pooled(["MAP {}", ...maps]);
}

/** Documents with keys among the query's texts, and its texts and numbers behind them. */
function jsonPool(own: readonly QueryConstant[], loose: readonly QueryConstant[]): Pool {
  const keys = [...new Set([...textsOf(loose).filter((one) => /^[\w$.]+$/.test(one)), "a"])].map((key) =>
    key.replace(/^\$\./, ""),
  );
  const near = numbersOf([...own, ...loose]).flatMap((n) => [n, n + 1, n - 1]);
  const values: unknown[] = [
    ...[...textsOf(own), ...textsOf(loose)],
    ...near,
    ...[true, false, 0, 1, 2.5, -3, "b", null, [1, 2], {}, "12"],
  ];
  const documents = values.flatMap((_, i) => [
    Object.fromEntries(keys.map((key, k) => [key, at(values, i + k * 3)])),
    { [at(keys, i)]: at(values, i + 1) },
  ]);
  return pooled(["'{}'", "'[1, 2]'", ...documents.map((one) => quoted(JSON.stringify(one)))]);
}

const uuid = (index: number): string =>
  quoted(`00000000-0000-0000-0000-${index.toString(16).padStart(12, "0")}`);

/** Undefined for a type that is none of them. `poolOf` knows the types within. */
export function nestedPool(
  type: string,
  own: readonly QueryConstant[],
  loose: readonly QueryConstant[],
  poolOf: PoolOf,
): Pool | undefined {
  if (type.endsWith("[]")) return listPool(all(poolOf(type.slice(0, -2), own, loose)));
  const [, kind, inner = ""] = /^(STRUCT|MAP)\((.*)\)$/s.exec(type) ?? [];
  if (kind === "STRUCT") {
    const fields = splitTypes(inner);
    const types = fields.map((field) => field.replace(/^("(?:[^"]|"")+"|\S+)\s+/, ""));
    return structPool(
      fields,
      types.map((one) => poolOf(one, own, loose)),
    );
  }
  if (kind === "MAP") {
    const [key = "", value = ""] = splitTypes(inner);
    return mapPool(poolOf(key, [...own, ...loose], []), poolOf(value, own, loose));
  }
  if (type === "JSON") return jsonPool(own, loose);
  if (type === "UUID") return { ...pooled([0, 1, 2, 3].map(uuid)), fresh: uuid };
  if (type === "BLOB") return pooled(["'ab'::BLOB", "''::BLOB", "'xyz'::BLOB", "'12'::BLOB"]);
  if (type === "TIME") {
    const met = textsOf(own).filter((one) => /^\d\d:\d\d(:\d\d)?$/.test(one));
    const others = [
      "08:00:00",
      "09:15:00",
      "11:59:59",
      "12:00:00",
      "12:30:00",
      "18:00:01",
      "23:59:59",
      "00:00:00",
    ];
    return { ...pooled(others.map(quoted)), exact: met.map(quoted) };
  }
  return undefined;
}
