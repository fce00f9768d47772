import type { Random } from "../../../data/random.js";
import { rowValue } from "./expressions.js";
import { inWords, type Clause } from "./questions/clauses.js";
import { randomSchema, WIDE, type OwnDomain, type RandomSchema, type Table } from "./schemas.js";
import { isAddress, isMeasure, type ScopeColumn } from "./scope.js";
import { chainOf, childrenOf, isJoin, isTable, type Node } from "./syntax.js";
import { cleaning, mutate, ofDialect, select } from "./tables/columns.js";
import { terminal } from "./tables/ends.js";
import { aggregate, group } from "./tables/groups.js";
import { groupedSelect, orderedGroup } from "./tables/grouped.js";
import { byIntrospection } from "./tables/introspection.js";
import { asofJoin, asofOfJoin, join, joinMany, selfJoin, shareOfAll } from "./tables/joins.js";
import { longer, wider } from "./tables/pivots.js";
import { distinct, filter, onlyOnce, order } from "./tables/rows.js";
import { selecting } from "./tables/selectors.js";
import { setOperation, sharedKeys } from "./tables/sets.js";
import type { State } from "./tables/state.js";
import { among, besideAll } from "./tables/subqueries.js";
import { besideGroup, firstOfEach, groupedMutate, windowValue } from "./tables/windows.js";

/** `quickstart` is narrow enough to be learnt in minutes; `full` has all shapes. */
export type Profile = "quickstart" | "full";
export const PROFILES: readonly Profile[] = ["quickstart", "full"];

export interface Program {
  node: Node;
  /** What its steps do, in their order. */
  clauses: readonly Clause[];
  /** The clauses in the imperative. */
  english: string[];
  schema: RandomSchema;
}

/** Names of columns that an expression mentions. */
function namesIn(node: Node): string[] {
  if (isTable(node)) return [];
  if (node.kind === "field") return [node.name];
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

export interface ProgramOptions {
  heldOutSchema?: boolean;
  own?: OwnDomain | undefined;
  /** Of the SQL that it is for: it may call what Ibis has a rule for there alone. */
  dialect?: string | undefined;
  /** It is shown and never asked for, so that it may have forms of which an answer has simpler ones. */
  shown?: boolean;
}

/** A random, well-typed program; deterministic in the state of `random`. */
export function randomProgram(random: Random, profile: Profile, options: ProgramOptions = {}): Program {
  for (;;) {
    const { columns, ...program } = draw(random, profile, options);
    if (!hasDeadColumn(program.node, columns)) return program;
  }
}

/** Steps that make one whole of the tables of a schema. */
function relate(state: State): void {
  const { random, schema } = state;
  const [first, second] = schema.relations;
  if (schema.tables.length >= WIDE) return joinMany(state);
  if (schema.tables.length === 3 && first !== undefined && second !== undefined && random.chance(0.35)) {
    if (asofOfJoin(state, first, second)) return;
  }
  if (schema.tables.length === 2 && first !== undefined) {
    const form = random.weighted([
      [14, undefined],
      [3, among],
      [2, sharedKeys],
      [3, asofJoin],
    ] as const);
    if (form?.(state, first, 1) === true) return;
  }
  schema.relations.forEach((relation, i) => join(state, relation, i + 1));
}

/** Steps that only the full profile has, between the rows that are chosen and what is computed of them. */
function between(state: State): void {
  const { random } = state;
  if (random.chance(0.15)) cleaning(state);
  if (random.chance(0.35)) mutate(state, rowValue(random, state.columns, false));
  const form = random.weighted([
    [68, undefined],
    [17, (one: State) => (mutate(one, windowValue(one)), true)],
    [3, groupedMutate],
    [3, firstOfEach],
    [2, besideGroup],
    [4, besideAll],
    [1, shareOfAll],
    [1, selfJoin],
    [2, orderedGroup],
    [1.5, groupedSelect],
    [state.shown ? 4 : 0, byIntrospection],
    [state.dialect === undefined ? 0 : state.columns.some(isAddress) ? 200 : 6, ofDialect],
  ] as const);
  form?.(state);
}

/** What a program is about; the last steps only sort. True where the result is one value. */
function core(state: State): boolean {
  const { random, easy } = state;
  // All columns of many tables are more than anyone asks for.
  const wide = state.schema.tables.length >= WIDE;
  const form = random.weighted([
    [35, "group"],
    [12, "aggregate"],
    [20, "select"],
    [6, "distinct"],
    [easy ? 4 : 10, "terminal"],
    [easy || wide ? 0 : 6, "set"],
    [easy || wide ? 0 : 6, "selecting"],
    [easy ? 0 : 3, "longer"],
    [easy ? 0 : 3, "wider"],
    [easy ? 0 : 0.5, "once"],
    [wide ? 0 : 17, "none"],
  ] as const);
  switch (form) {
    case "group":
      if (group(state) && random.chance(0.2) && hasRoom(state))
        filter(state, state.columns.filter(isMeasure));
      return false;
    case "aggregate":
      return aggregate(state);
    case "select":
      select(state);
      return false;
    case "distinct":
      if (!isJoin(state.node) || wide || random.chance(0.5)) select(state);
      distinct(state);
      return false;
    case "terminal":
      terminal(state);
      state.columns = [];
      return true;
    case "set":
      setOperation(state);
      return false;
    case "selecting":
      selecting(state);
      return false;
    case "longer":
      longer(state);
      return false;
    case "wider":
      wider(state);
      return false;
    case "once":
      select(state);
      onlyOnce(state);
      return false;
    case "none":
      return false;
  }
}

/** Tables of a program that has several. */
const JOINED = [
  [63, 2],
  [27, 3],
  [8, 4],
  [2, 5],
] as const;

/** Steps of a program at most, before those that sort it. */
const hasRoom = ({ clauses, easy, schema }: State): boolean =>
  clauses.length - (schema.tables.length >= WIDE ? schema.relations.length - 1 : 0) < (easy ? 3 : 5);

function draw(
  random: Random,
  profile: Profile,
  { heldOutSchema = false, own, dialect, shown = false }: ProgramOptions,
): Program & { columns: ScopeColumn[] } {
  const easy = profile === "quickstart";
  const tables = !easy && random.chance(0.3) ? random.weighted(JOINED) : 1;
  const [minColumns, maxColumns] = easy ? [3, 5] : tables >= WIDE ? [2, 4] : [3, 7];
  const schema = randomSchema(random, {
    minColumns,
    maxColumns,
    tables,
    heldOut: heldOutSchema,
    simple: easy,
    own,
  });
  const [root] = schema.tables as [Table];
  const key = root.columns.find(({ role }) => role === "key");
  const state: State = {
    random,
    easy,
    dialect,
    shown,
    schema,
    node: { kind: "table", name: root.name },
    columns: root.columns.map((column) => ({ ...column, ofTable: root.name })),
    clauses: [],
    unique: key && [key.name],
    narrowed: new Set(),
  };
  relate(state);
  if (random.chance(0.45)) filter(state);
  if (easy && random.chance(0.25)) mutate(state, rowValue(random, state.columns, true));
  else if (!easy) between(state);
  const isValue = core(state);
  if (!isValue && state.columns.length > 0 && hasRoom(state) && random.chance(0.4)) {
    order(state, state.unique !== undefined && random.chance(0.45));
  }
  if (state.clauses.length === 0) filter(state);
  if (state.clauses.length === 0) select(state);
  const { node, clauses, columns } = state;
  return { node, clauses, english: clauses.map(inWords), schema, columns };
}
