/** How much of the live API the generator reaches: each member that it calls, and why it does not call the others. */
import type { ApiEntry } from "../../dsl.js";
import { Random } from "../../../data/random.js";
import { ANALYTICS, PREDICATE_METHODS, REDUCTIONS, SCALAR_METHODS } from "./methods.js";
import { randomProgram } from "./programs.js";
import { childrenOf, isTable, type Node } from "./syntax.js";

export interface ApiCoverage {
  /** Public members of the API that move no data and are about no geography, as `owner.name`. */
  members: string[];
  /** Those that the programs call. */
  reached: string[];
  missing: { member: string; reason: string }[];
}

const READS_OR_WRITES =
  /^(to_(?!sql$|array$)\w+|execute|read_\w+|connect|get_backend|set_backend|preview|visualize|cache|release|memtable|compile)$/;
const OWNERS_LEFT_OUT = new Set(["GeoSpatialValue", "GeoSpatialColumn", "CachedTable"]);

/** Why a member is in no program; the first that fits. Of what Ibis calls deprecated its own documentation says so. */
const REASONS: readonly (readonly [members: RegExp, reason: string])[] = [
  [
    /\.(hashbytes|authority|file|fragment|host|path|protocol|query|userinfo|convert_base)$/,
    "Ibis does not compile it for DuckDB",
  ],
  [/\.(head|sample|arbitrary|mode|random|now|today|uuid|rowid)$/, "its answer is not determined"],
  [
    /\.(type|columns|schema|names|types|fields|get_name|equals|info|describe|dtype|infer_dtype|infer_schema|decompile|parse_sql|to_sql|param|watermark)$/,
    "it is about an expression, not a part of one",
  ],
  [/^Join\./, "the programs go on from a join with other steps"],
  [/^(JSONValue|IntervalValue|BinaryValue|StructValue)\./, "the schemas have no columns of the type"],
];
const DEPRECATED = /^.{0,60}deprecated/is;

const METHODS = new Map(
  [...SCALAR_METHODS, ...PREDICATE_METHODS, ...REDUCTIONS, ...ANALYTICS].map(({ path }) => [
    path.slice(path.indexOf(".") + 1),
    path,
  ]),
);
const OF_VALUES: Readonly<Record<string, string>> = { ifelse: "BooleanValue.ifelse" };
const JOINS = /(^|_)join$/;

function memberOf(node: Extract<Node, { kind: "call" }>): string {
  const { target, name } = node;
  if (target === null) return `ibis.${name}`;
  if (target.kind === "self") return `Table.${name}`;
  if (!isTable(target)) return OF_VALUES[name] ?? METHODS.get(name) ?? `Value.${name}`;
  if (target.kind === "call" && target.name === "group_by") return `GroupedTable.${name}`;
  return target.kind === "call" && JOINS.test(target.name) && !/^(semi|anti)/.test(target.name)
    ? `Join.${name}`
    : `Table.${name}`;
}

/** The members of the API that a program calls, as `owner.name`. */
export function membersOf(node: Node): string[] {
  const own = node.kind === "call" ? [memberOf(node)] : node.kind === "template" ? node.covers : [];
  return [...own, ...childrenOf(node).flatMap(membersOf)];
}

const nameOf = ({ owner, path, name }: ApiEntry): string =>
  `${owner ?? path.slice(0, path.lastIndexOf("."))}.${name}`;

/** What `programs` random programs of the full profile call of the API. */
export function apiCoverage(api: readonly ApiEntry[], programs: number): ApiCoverage {
  const members = [
    ...new Set(
      api
        .filter(({ owner, name }) => !READS_OR_WRITES.test(name) && !OWNERS_LEFT_OUT.has(owner ?? ""))
        .map(nameOf),
    ),
  ].sort();
  const called = new Set<string>();
  for (let i = 0; i < programs; i++)
    for (const member of membersOf(randomProgram(Random.of(1, "coverage", i), "full").node))
      called.add(member);
  const deprecated = new Set(
    api.filter(({ docstring }) => DEPRECATED.test(docstring)).map((entry) => nameOf(entry)),
  );
  const reasonOf = (member: string): string =>
    deprecated.has(member)
      ? "Ibis has deprecated it"
      : (REASONS.find(([pattern]) => pattern.test(member))?.[1] ??
        "the generator has no template for it yet");
  return {
    members,
    reached: members.filter((member) => called.has(member)),
    missing: members
      .filter((member) => !called.has(member))
      .map((member) => ({ member, reason: reasonOf(member) })),
  };
}
