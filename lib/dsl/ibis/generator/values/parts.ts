/** The parts of structs, maps and documents as columns of their own, which every expression may be about. */
import type { Random } from "../../../../data/random.js";
import type { Column } from "../schemas.js";
import { columnNode, isPlain, spoken, type ScopeColumn } from "../scope.js";
import { literal, type Node } from "../syntax.js";
import { isAttribute } from "../python-names.js";

const READERS = { str: "str", int: "int", float: "float", bool: "bool" } as const;

interface Reading {
  parts: readonly string[];
  covers: readonly string[];
}

/** What stands before and behind the key, by what the column is; undefined for what no document holds. */
function readings(column: ScopeColumn, part: Column): (Reading & { keyed: boolean })[] {
  switch (column.kind) {
    case "struct": {
      const item = { parts: ["", "[", "]"], covers: [], keyed: true };
      const attribute = { parts: ["", `.${part.name}`], covers: [], keyed: false };
      return isAttribute(part.name) ? [attribute, item] : [item];
    }
    case "map":
      return [
        { parts: ["", "[", "]"], covers: [], keyed: true },
        { parts: ["", ".get(", ")"], covers: ["MapValue.get"], keyed: true },
      ];
    case "json": {
      const reader = READERS[part.kind as keyof typeof READERS];
      if ((reader as string | undefined) === undefined) return [];
      const type = { str: "string", int: "int64", float: "float64", bool: "boolean" }[reader];
      return [
        { parts: ["", "[", `].${reader}`], covers: [`JSONValue.${reader}`], keyed: true },
        { parts: ["", "[", `].unwrap_as("${type}")`], covers: ["JSONValue.unwrap_as"], keyed: true },
      ];
    }
    default:
      return [];
  }
}

/** A part of a nested column, reached in one of the ways there are; undefined for a column without any. */
export function partOf(random: Random, column: ScopeColumn): ScopeColumn | undefined {
  const usable = (column.parts ?? []).filter((part) => isPlain(part) && readings(column, part).length > 0);
  if (usable.length === 0) return undefined;
  const part = random.pick(usable);
  const [common, rare] = readings(column, part);
  const { parts, covers, keyed } = (rare !== undefined && random.chance(0.2) ? rare : common) as Reading & {
    keyed: boolean;
  };
  const node: Node = {
    kind: "template",
    parts,
    holes: [columnNode(column), ...(keyed ? [literal(part.name)] : [])],
    step: false,
    covers,
  };
  return { ...part, name: column.name, label: `${spoken(column)} ${spoken(part)}`, node };
}

/** The columns with a part of each nested one beside them. */
export const withParts = (random: Random, columns: readonly ScopeColumn[]): ScopeColumn[] =>
  columns.flatMap((column) => {
    const part = column.parts === undefined ? undefined : partOf(random, column);
    return part === undefined ? [column] : [column, part];
  });
