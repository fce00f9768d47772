import type { Random } from "../../../data/random.js";
import { rowValue, windowValue } from "./expressions.js";
import { randomSchema, type RandomSchema, type Table } from "./schemas.js";
import { isMeasure, type ScopeColumn } from "./scope.js";
import { chainOf, childrenOf, isTable, type Node } from "./syntax.js";
import { cleaning, mutate, select } from "./tables/columns.js";
import { aggregate, group } from "./tables/groups.js";
import { join } from "./tables/joins.js";
import { distinct, filter, order, terminal } from "./tables/rows.js";
import { setOperation } from "./tables/sets.js";
import type { State } from "./tables/state.js";

/** `quickstart` is narrow enough to be learnt in minutes; `full` has all shapes. */
export type Profile = "quickstart" | "full";
export const PROFILES: readonly Profile[] = ["quickstart", "full"];

export interface Program {
  node: Node;
  /** One clause a step, in the imperative. */
  english: string[];
  schema: RandomSchema;
}

/** Names of columns that an expression mentions. */
function namesIn(node: Node): string[] {
  if (isTable(node)) return [];
  const own = node.kind === "column" || node.kind === "name" ? [node.name] : [];
  return [...own, ...childrenOf(node).flatMap(namesIn)];
}

/** Whether a column is computed and then neither used nor kept: its SQL would not say that it ever was. */
function hasDeadColumn(program: Node, kept: readonly ScopeColumn[]): boolean {
  const used = new Set(kept.map(({ name }) => name));
  for (const step of chainOf(program).reverse()) {
    const makes =
      step.kind === "call" && (step.name === "mutate" || step.name === "rename") ? step.named : [];
    if (makes.some(([name]) => !used.has(name))) return true;
    for (const child of childrenOf(step)) for (const name of namesIn(child)) used.add(name);
    for (const [, value] of makes) if (value.kind === "literal") used.add(String(value.value));
  }
  return false;
}

/** A random, well-typed program; deterministic in the state of `random`. */
export function randomProgram(random: Random, profile: Profile, heldOutSchema = false): Program {
  for (;;) {
    const { columns, ...program } = draw(random, profile, heldOutSchema);
    if (!hasDeadColumn(program.node, columns)) return program;
  }
}

function draw(
  random: Random,
  profile: Profile,
  heldOutSchema: boolean,
): Program & { columns: ScopeColumn[] } {
  const easy = profile === "quickstart";
  const joined = !easy && random.chance(0.25);
  const [minColumns, maxColumns] = easy ? [3, 5] : [3, 7];
  const schema = randomSchema(random, {
    minColumns,
    maxColumns,
    tables: joined ? (random.chance(0.3) ? 3 : 2) : 1,
    heldOut: heldOutSchema,
    simple: easy,
  });
  const [root] = schema.tables as [Table];
  const key = root.columns.find(({ role }) => role === "key");
  const state: State = {
    random,
    easy,
    node: { kind: "table", name: root.name },
    columns: root.columns.map((column) => ({ ...column, ofTable: root.name })),
    english: [],
    unique: key && [key.name],
    narrowed: new Set(),
  };
  const most = easy ? 3 : 5;
  const room = (): boolean => state.english.length < most;
  schema.relations.forEach((relation, i) => join(state, schema, relation, i + 1));
  if (random.chance(0.45)) filter(state);
  if (!easy && random.chance(0.15)) cleaning(state);
  if (random.chance(easy ? 0.25 : 0.35)) mutate(state, rowValue(random, state.columns, easy));
  if (!easy && random.chance(0.2)) mutate(state, windowValue(random, state.columns));
  const core = random.weighted([
    [35, "group"],
    [12, "aggregate"],
    [20, "select"],
    [6, "distinct"],
    [easy ? 4 : 10, "terminal"],
    [easy ? 0 : 6, "set"],
    [17, "none"],
  ] as const);
  let scalar = false;
  if (core === "group") {
    if (group(state) && random.chance(0.2) && room())
      filter(
        state,
        state.columns.filter((c) => isMeasure(c)),
      );
  } else if (core === "aggregate") scalar = aggregate(state);
  else if (core === "select") select(state);
  else if (core === "distinct") {
    select(state);
    distinct(state);
  } else if (core === "terminal") {
    terminal(state);
    scalar = true;
  } else if (core === "set") setOperation(state);
  if (!scalar && state.columns.length > 0 && room() && random.chance(0.4)) {
    order(state, state.unique !== undefined && random.chance(0.45));
  }
  if (state.english.length === 0) filter(state);
  if (state.english.length === 0) select(state);
  return { node: state.node, english: state.english, schema, columns: state.columns };
}
