/**
 * Names of tables as schemas have them: `orders`, `my table`, `sales.orders`, `lake.sales.orders`. A dot parts catalog,
 * database and table; a part in double quotes may hold a dot itself: `sales."orders.old"`.
 */
import type { IBertError } from "../errors.js";

/** The parts of a schema's table name, the table last. */
export function tableParts(name: string): string[] {
  const parts: string[] = [];
  let rest = name;
  for (;;) {
    const quoted = /^"((?:[^"]|"")+)"(?=\.|$)/.exec(rest);
    const part = quoted?.[0] ?? rest.slice(0, rest.includes(".") ? rest.indexOf(".") : undefined);
    if (part === "") return [name]; // `a..b` is no path: it is what it is called
    parts.push(quoted?.[1]?.replaceAll('""', '"') ?? part);
    if (part.length === rest.length) return parts;
    rest = rest.slice(part.length + 1);
  }
}

/** The name of which `parts` are the parts. */
export function tableName(parts: readonly string[]): string {
  return parts.map((part) => (/[."]/.test(part) ? `"${part.replaceAll('"', '""')}"` : part)).join(".");
}

/** Refuses names that are equal, or equal but for case: most databases, DuckDB among them, take those for one. */
export function refuseRepeated(
  names: readonly string[],
  describe: (problem: (kind: string) => string) => IBertError,
): void {
  const seen = new Map<string, string>();
  for (const name of names) {
    const before = seen.get(name.toLowerCase());
    if (before === name) throw describe((kind) => `${kind} ${JSON.stringify(name)} is given twice`);
    if (before !== undefined) {
      throw describe(
        (kind) => `${kind}s ${JSON.stringify(before)} and ${JSON.stringify(name)} differ in case only`,
      );
    }
    seen.set(name.toLowerCase(), name);
  }
}
