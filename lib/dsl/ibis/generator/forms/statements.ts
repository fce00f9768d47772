/** A program in several statements: its first steps under names of their own. */
import type { Random } from "../../../../data/random.js";
import { chainOf, isTable, write, type Node, type Step, type Style } from "../syntax.js";

/** Names for what a step gives; any step may give one of the last. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  filter: ["kept", "filtered", "relevant", "subset"],
  join: ["joined", "merged", "combined"],
  mutate: ["enriched", "prepared", "extended"],
  agg: ["summary", "totals", "grouped"],
  select: ["selected", "slim"],
  order_by: ["ordered", "ranked"],
};
const ANY = ["step", "base", "rows", "tbl"];

function namesFor(step: Step): readonly string[] {
  const name = step.kind === "template" ? "" : step.name.replace(/^\w+_join$/, "join");
  return [...(NAMES[name] ?? []), ...ANY];
}

/** Whether what the step gives is a table that may have a name. */
const givesTable = (step: Step): boolean =>
  isTable(step) && step.kind === "call" && step.name !== "group_by" && step.name !== "having";

/** A step's columns on the variable that stands for its table: those of the root, and of the first step all. */
function ofVariable(node: Node, root: string, variable: string, isFirst: boolean): Node {
  const inner = (child: Node): Node => (isTable(child) ? child : ofVariable(child, root, variable, isFirst));
  const isOwn = (ofTable: string | undefined): boolean =>
    ofTable === root || (isFirst && ofTable === undefined);
  switch (node.kind) {
    case "column":
      return isOwn(node.ofTable) ? { ...node, ofTable: variable } : node;
    case "name":
      return node.key !== undefined && isOwn(node.key.ofTable)
        ? { ...node, key: { ofTable: variable } }
        : node;
    case "list":
    case "tuple":
      return { ...node, items: node.items.map(inner) };
    case "binary":
      return { ...node, left: inner(node.left), right: inner(node.right) };
    case "not":
      return { ...node, operand: inner(node.operand) };
    case "template":
      return { ...node, holes: node.holes.map(inner) };
    case "call":
      return {
        ...node,
        target: node.target === null ? null : inner(node.target),
        args: node.args.map(inner),
        named: node.named.map(([name, value]) => [name, inner(value)]),
      };
    default:
      return node;
  }
}

/** Steps in a row, on the variable. */
function chainOn(steps: readonly Step[], root: string, variable: string): Node {
  let node: Node = { kind: "table", name: variable };
  steps.forEach((step, i) => {
    if (step.kind === "call") {
      const own = ofVariable({ ...step, target: null }, root, variable, i === 0);
      node = own.kind === "call" ? { ...own, target: node } : node;
    } else if (step.kind === "field") node = { ...step, table: node };
  });
  return node;
}

/**
 * The program's statements, a line each, of which the last gives what the program gives; undefined where it has too few
 * steps. `tables` are names that are taken.
 */
export function inStatements(
  random: Random,
  program: Node,
  style: Style,
  tables: readonly string[],
): string[] | undefined {
  const steps = chainOf(program);
  const [first] = steps;
  const below = first?.kind === "call" ? first.target : first?.kind === "field" ? first.table : null;
  if (below?.kind !== "table") return undefined;
  const root = below.name;
  const places = steps.flatMap((step, i) => (i < steps.length - 1 && givesTable(step) ? [i] : []));
  if (places.length === 0) return undefined;
  const chosen = random.sample(places, random.between(1, Math.min(3, places.length))).sort((a, b) => a - b);
  const taken = new Set([...tables, "s", "ibis", "con"]);
  const lines: string[] = [];
  let variable = root;
  let start = 0;
  for (const at of chosen) {
    const name = random.pick(
      namesFor(steps[at] as Step)
        .filter((one) => !taken.has(one))
        .slice(0, 3),
    );
    taken.add(name);
    lines.push(`${name} = ${write(chainOn(steps.slice(start, at + 1), root, variable), style)}`);
    variable = name;
    start = at + 1;
  }
  const last = write(chainOn(steps.slice(start), root, variable), style);
  return random.chance(0.6) || taken.has("result") ? [...lines, last] : [...lines, `result = ${last}`];
}
