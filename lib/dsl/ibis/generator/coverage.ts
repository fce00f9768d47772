/** How much of the live API the generator reaches: what programs that it draws call, as the sandbox sees them call it. */
import { Random } from "../../../data/random.js";
import type { ApiReach } from "../../definition.js";
import type { ApiEntry, DslEngine, Schema } from "../../dsl.js";
import { DIALECTS } from "./dialects.js";
import { asked, boilerplate } from "./forms/index.js";
import { ANALYTICS, PREDICATE_METHODS, REDUCTIONS, SCALAR_METHODS } from "./methods.js";
import { randomProgram } from "./programs.js";
import { toSchema } from "./schemas.js";
import { childrenOf, isJoin, isTable, SPELLINGS, write, type Node } from "./syntax.js";
import { NOT_CALLED, UNREACHABLE } from "./unreachable.js";

const READS_OR_WRITES =
  /^(to_(?!sql$|array$)\w+|execute|read_\w+|connect|get_backend|set_backend|preview|visualize|cache|release|memtable|compile)$/;
const OWNERS_LEFT_OUT = new Set(["GeoSpatialValue", "GeoSpatialColumn", "CachedTable"]);
const GEOGRAPHIC = new Set(["NumericValue.point"]);
const DEPRECATED = /^.{0,60}deprecated/is;

const METHODS = new Map(
  [...SCALAR_METHODS, ...PREDICATE_METHODS, ...REDUCTIONS, ...ANALYTICS].map(({ path }) => [
    path.slice(path.indexOf(".") + 1),
    path,
  ]),
);
const OF_VALUES: Readonly<Record<string, string>> = { ifelse: "BooleanValue.ifelse" };

function memberOf(node: Extract<Node, { kind: "call" }>): string {
  const { target, name } = node;
  if (target === null) return `ibis.${name}`;
  if (target.kind === "self") return `Table.${name}`;
  if (!isTable(target)) return OF_VALUES[name] ?? METHODS.get(name) ?? `Value.${name}`;
  if (target.kind === "call" && target.name === "group_by") return `GroupedTable.${name}`;
  return `${isJoin(target) ? "Join" : "Table"}.${name}`;
}

/** What a program seems to call, by its text: near the truth, which only Ibis tells. */
function seemingMembers(node: Node): string[] {
  const own = node.kind === "call" ? [memberOf(node)] : node.kind === "template" ? node.covers : [];
  return [...own, ...childrenOf(node).flatMap(seemingMembers)];
}

const ownerOf = ({ owner, path }: ApiEntry): string => owner ?? path.slice(0, path.lastIndexOf("."));
const memberName = (entry: ApiEntry): string => `${ownerOf(entry)}.${entry.name}`;

/** The members that are public, move no data and are about no geography. */
const countedMembers = (api: readonly ApiEntry[]): ApiEntry[] =>
  api.filter(
    (entry) =>
      !READS_OR_WRITES.test(entry.name) &&
      !OWNERS_LEFT_OUT.has(entry.owner ?? "") &&
      !GEOGRAPHIC.has(memberName(entry)),
  );

/** So many programs that seem to call a member are looked at. */
const WITNESSES = 4;
/** In a function of the table every operand is there when an operator takes it. */
const TRACED = { column: "lambda", quote: '"' } as const;
/** As programs are written that prompts show. */
const STYLES = [TRACED, ...SPELLINGS.map((spelling) => ({ ...TRACED, spelling }))];

/** Of the programs drawn those that between them seem to call all that the others do. */
function witnesses(programs: number, seed: number): { text: string; schema: Schema }[] {
  const seen = new Map<string, number>();
  const chosen: { text: string; schema: Schema }[] = [];
  for (let i = 0; i < programs; i++) {
    const random = Random.of(seed, "coverage", i);
    const drawn = random.weighted(DIALECTS);
    const dialect = drawn === "duckdb" ? undefined : drawn;
    const { node, schema } = randomProgram(random, "full", { dialect, shown: true });
    const calls = new Set(seemingMembers(node));
    if (![...calls].some((member) => (seen.get(member) ?? 0) < WITNESSES)) continue;
    for (const member of calls) seen.set(member, (seen.get(member) ?? 0) + 1);
    const texts = STYLES.map((style) => write(node, style));
    const [text = ""] = texts;
    texts.push([...boilerplate(random, text, schema.tables), text].join("\n"), asked(random, text));
    for (const one of new Set(texts)) chosen.push({ text: one, schema: toSchema(schema.tables) });
  }
  return chosen;
}

/** What programs of the full profile call of the API while Ibis builds them. */
export async function apiReach(
  engine: DslEngine,
  { programs, seed }: { programs: number; seed: number },
): Promise<ApiReach> {
  const api = countedMembers(await engine.describeApi());
  const called = new Set((await engine.membersOf(witnesses(programs, seed))).flat());
  const owners = new Map<string, { members: Set<string>; reached: Set<string> }>();
  const missing = new Map<string, { reason: string; barred: boolean }>();
  for (const entry of api) {
    const member = memberName(entry);
    const own = owners.get(ownerOf(entry)) ?? { members: new Set(), reached: new Set() };
    owners.set(ownerOf(entry), own);
    own.members.add(member);
    if (called.has(member)) own.reached.add(member);
    else missing.set(member, reasonOf(member, entry.docstring));
  }
  return {
    programs,
    owners: [...owners]
      .map(([owner, { members, reached }]) => ({
        owner,
        members: [...members].sort(),
        reached: [...reached].sort(),
      }))
      .sort((a, b) => (a.owner < b.owner ? -1 : 1)),
    missing: [...missing]
      .map(([member, why]) => ({ member, ...why }))
      .sort((a, b) => (a.member < b.member ? -1 : 1)),
  };
}

function reasonOf(member: string, docstring: string): { reason: string; barred: boolean } {
  if (DEPRECATED.test(docstring)) return { reason: "Ibis has deprecated it", barred: true };
  const found = UNREACHABLE.find(({ members }) => members.test(member));
  return found === undefined
    ? { reason: NOT_CALLED, barred: false }
    : { reason: found.reason, barred: found.barred };
}
