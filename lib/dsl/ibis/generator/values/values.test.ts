import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../../../data/random.js";
import { DuckDbExecutor, type FilledTable } from "../../../duckdb/executor.js";
import { duckDbBinding } from "../../../duckdb/judge.js";
import type { DslEngine } from "../../../dsl.js";
import { createIbisEngine } from "../../index.js";
import { apiReach } from "../coverage.js";
import type { Column } from "../schemas.js";
import type { ScopeColumn } from "../scope.js";
import { call, write, type Node } from "../syntax.js";
import { applyTemplate } from "../templates.js";
import {
  DAY_TEMPLATES,
  PREDICATE_TEMPLATES,
  REDUCTION_TEMPLATES,
  SCALAR_TEMPLATES,
  WINDOW_TEMPLATES,
} from "./index.js";
import { partOf } from "./parts.js";

let engine: DslEngine;
let executor: DuckDbExecutor;
beforeAll(() => {
  engine = createIbisEngine({ workers: 1 });
  executor = new DuckDbExecutor(duckDbBinding()?.path ?? "", 1);
});
afterAll(() => Promise.all([engine.close(), executor.close()]));

const part = (name: string, kind: Column["kind"], type: string): Column => ({
  name,
  kind,
  type,
  values: ["x", "y"],
});
const PARTS = [part("a", "str", "string"), part("b", "int", "int64"), part("c", "bool", "boolean")];

/** Of each kind: its Ibis type, its type in DuckDB, and values that differ. */
const KINDS: readonly (readonly [Column["kind"], string, string, readonly [string, string]])[] = [
  ["int", "int64", "BIGINT", ["3", "-4"]],
  ["float", "float64", "DOUBLE", ["2.5", "0.0"]],
  ["decimal", "decimal(12, 2)", "DECIMAL(12, 2)", ["7.25", "-1.5"]],
  ["str", "string", "VARCHAR", ["'x'", "'new b 7'"]],
  ["bool", "boolean", "BOOLEAN", ["true", "false"]],
  ["date", "date", "DATE", ["DATE '2024-02-29'", "DATE '2021-12-31'"]],
  [
    "timestamp",
    "timestamp",
    "TIMESTAMP",
    ["TIMESTAMP '2024-02-29 13:05:09'", "TIMESTAMP '2020-01-01 00:00:00'"],
  ],
  ["time", "time", "TIME", ["TIME '09:30:00'", "TIME '23:59:59'"]],
  ["instant", "timestamp('UTC')", "TIMESTAMPTZ", ["TIMESTAMPTZ '2024-02-29 13:05:09+00'", "NULL"]],
  ["uuid", "uuid", "UUID", ["'00000000-0000-0000-0000-000000000001'", "NULL"]],
  ["bytes", "binary", "BLOB", ["'ab'::BLOB", "NULL"]],
  ["strs", "array<string>", "VARCHAR[]", ["['x', 'y', 'x']", "[]"]],
  ["ints", "array<int64>", "BIGINT[]", ["[3, 1, 2]", "[NULL]"]],
  ["map", "map<string, string>", "MAP(VARCHAR, VARCHAR)", ["MAP {'a': 'x'}", "MAP {}"]],
  [
    "struct",
    "struct<a: string, b: int64, c: boolean>",
    "STRUCT(a VARCHAR, b BIGINT, c BOOLEAN)",
    ["{'a': 'x', 'b': 1, 'c': true}", "NULL"],
  ],
  ["json", "json", "JSON", [`'{"a": "x", "b": 2, "c": true, "items": [1]}'`, "'{}'"]],
];

const columns: ScopeColumn[] = [
  { name: "id", kind: "int", type: "int64", role: "key", values: [] },
  ...KINDS.flatMap(([kind, type]) =>
    ["a", "b"].map((end) => ({
      ...{ name: `${kind}_${end}`, kind, type, values: ["x", "y"] },
      ...(["struct", "map", "json"].includes(kind) ? { parts: PARTS } : {}),
    })),
  ),
];
const schema = { t: Object.fromEntries(columns.map(({ name, type }) => [name, type])) };
const table: FilledTable = {
  path: ["t"],
  columns: [
    ["id", "BIGINT"],
    ...KINDS.flatMap(([kind, , type]) => ["a", "b"].map((end): [string, string] => [`${kind}_${end}`, type])),
  ],
  rows: [0, 1, 2].map((row) => [
    String(row),
    ...KINDS.flatMap(([, , , values]) =>
      [0, 1].map((at) => (row === 2 ? "NULL" : (values[(row + at) % 2] ?? "NULL"))),
    ),
  ]),
};

const stepOf = (method: string, node: Node): Node => {
  const root: Node = { kind: "table", name: "t" };
  return method === "filter" ? call(root, method, [node]) : call(root, method, [], [["r", node]]);
};

const made = (
  [
    [SCALAR_TEMPLATES, "mutate"],
    [WINDOW_TEMPLATES, "mutate"],
    [PREDICATE_TEMPLATES, "filter"],
    [DAY_TEMPLATES, "filter"],
    [REDUCTION_TEMPLATES, "agg"],
  ] as const
).flatMap(([templates, method]) =>
  templates.flatMap((template) =>
    columns
      .filter((column) => column.name.endsWith("_a") && template.on(column))
      .map((column) => {
        const expression = applyTemplate(Random.of(3), template, column, columns);
        if (expression === undefined) throw new Error(`${template.code} does not apply to ${column.name}`);
        return { covers: template.covers, step: stepOf(method, expression.node) };
      }),
  ),
);
const reading = ["struct", "map", "json"].flatMap((kind) =>
  Array.from({ length: 12 }, (_, i) => {
    const column = columns.find(({ name }) => name === `${kind}_a`) as ScopeColumn;
    const node = partOf(Random.of(5, i), column)?.node;
    if (node?.kind !== "template") throw new Error(`no part of ${kind}`);
    return { covers: node.covers, step: stepOf("mutate", node) };
  }),
);
const all = [...made, ...reading];

describe("templates of expressions", () => {
  it("compile on every kind of column that they are for, and DuckDB runs them", async () => {
    expect(made.length).toBeGreaterThan(450);
    const verdicts = await engine.checkMany(
      all.map(({ step }) => ({ text: write(step), schema })),
      {
        timeoutMs: 120_000,
      },
    );
    const refused = verdicts.flatMap(({ error }, i) =>
      error === undefined ? [] : [`${write(all[i]?.step as Node)}: ${error.message.slice(0, 200)}`],
    );
    expect(refused).toEqual([]);
    const results = await executor.execute(
      [table],
      verdicts.map(({ sql }) => sql ?? ""),
    );
    const failed = results.flatMap((result, i) =>
      "error" in result ? [`${write(all[i]?.step as Node)}: ${result.error}`] : [],
    );
    expect(failed).toEqual([]);
  });

  it("call what they say that they call", async () => {
    // In a function of the table, where the sandbox sees what every operand is.
    const traced = await engine.membersOf(
      all.map(({ step }) => ({ text: write(step, { column: "lambda", quote: '"' }), schema })),
    );
    const untrue = all.flatMap(({ covers, step }, i) => {
      const unheard = covers.filter((member) => traced[i]?.includes(member) !== true);
      return unheard.length > 0 ? [`${unheard.join(" ")}: ${write(step)}`] : [];
    });
    expect(untrue).toEqual([]);
  });

  it("make the programs reach nearly all of the API of values, and every missing member has a reason", async () => {
    const { owners, missing } = await apiReach(engine, { programs: 20_000, seed: 1 });
    const ofValues = owners.filter(({ owner }) => /(Value|Column|Scalar)$/.test(owner));
    const shareOf = (some: typeof owners): number =>
      some.flatMap((one) => one.reached).length / some.flatMap((one) => one.members).length;
    expect(owners.flatMap((one) => one.members).length).toBeGreaterThan(400);
    expect(shareOf(owners)).toBeGreaterThanOrEqual(0.9);
    expect(shareOf(ofValues)).toBeGreaterThan(0.92);
    // Of those that a program of a corpus could call.
    const barred = new Set(missing.flatMap(({ member, barred }) => (barred ? [member] : [])));
    const openOf = (some: typeof owners): typeof owners =>
      some.map((one) => ({ ...one, members: one.members.filter((m) => !barred.has(m)) }));
    expect(barred.size).toBeLessThan(36);
    expect(shareOf(openOf(owners))).toBeGreaterThan(0.96);
    expect(shareOf(openOf(ofValues))).toBeGreaterThan(0.94);
    for (const { member, reason } of missing) expect(reason, member).not.toBe("");
  });
});
