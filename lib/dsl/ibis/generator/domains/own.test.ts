import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { Random } from "../../../../data/random.js";
import { readOwnTables, type OwnTables } from "../../../../data/own-tables.js";
import type { Draw } from "../../../../data/source.js";
import type { DslEngine } from "../../../dsl.js";
import { createIbisEngine } from "../../checker/engine.js";
import { randomProgram } from "../programs.js";
import { toSchema } from "../schemas.js";
import { createIbisRowSource } from "../source.js";
import { describeDomain, ownDomain, wordsOf } from "./own.js";
import type { DomainWords } from "./parse.js";

const WAREHOUSE = `
customers:
  customerId: int64
  name: string
  segment: { type: string, values: [retail, business, online] }
  balance: { type: "decimal(14,2)", range: [-200, 5000], label: money in hand }
  signedUpAt: timestamp(6)
orders:
  order_no: { type: string, key: true }
  customerId: int64
  channel: { type: string, values: [web, "O'Brien's"] }
  qty: { type: int32, range: [1, 40] }
  tags: { type: array<string>, values: [gift, rush] }
  extra: json
  ship: "struct<carrier: string, days: int16>"
items:
  id: int64
  order: { type: string, references: orders }
  sku_no: string
  price: float32
`;

const folder = mkdtempSync(join(tmpdir(), "ibert-own-tables-"));
let engine: DslEngine;
let domain: DomainWords;
beforeAll(async () => {
  engine = createIbisEngine({ workers: 1 });
  domain = await ownDomain(engine, tablesOf(WAREHOUSE));
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await engine.close();
});

function tablesOf(text: string): OwnTables {
  const path = join(folder, "warehouse.yaml");
  writeFileSync(path, text);
  return readOwnTables(path);
}

describe("a user's own tables", () => {
  it("have the roles that their names and types say, and what the file says of them", () => {
    const roles = Object.fromEntries(
      domain.tables.map(({ name, columns }) => [
        name,
        columns.map(({ role, references }) => (references === undefined ? role : `${role} ${references}`)),
      ]),
    );
    expect(roles).toEqual({
      customers: ["key", "text", "category", "money", "ts"],
      orders: ["key", "foreign customers", "category", "count", "list", "other", "struct"],
      items: ["key", "foreign orders", "text", "real"],
    });
    const balance = domain.tables[0]?.columns[3];
    expect(balance).toMatchObject({ type: "decimal(14, 2)", range: [-200, 5000], label: "money in hand" });
    expect(describeDomain(domain)[1]).toBe(
      "orders: key order_no; customerId of customers; channel of 2 values; only kept and counted: extra",
    );
  });

  it("are called what people say", () => {
    expect(["customerId", "NET_AMT", "Unit Price", "_", "größeCm"].map(wordsOf)).toEqual([
      ...["customer id", "net amt", "unit price", "", "größe cm"],
    ]);
  });

  it("are what programs are about, under their own names and types, as often as is asked", () => {
    const own = { domain, share: 1 };
    const types = new Map(
      domain.tables.flatMap(({ name, columns }) =>
        columns.map((one) => [`${name}.${one.name}`, one.type] as const),
      ),
    );
    const drawn = Array.from({ length: 300 }, (_, i) => randomProgram(Random.of(8, i), "full", { own }));
    for (const { schema } of drawn) {
      for (const [table, columns] of Object.entries(toSchema(schema.tables)))
        for (const [name, type] of Object.entries(columns)) expect(types.get(`${table}.${name}`)).toBe(type);
    }
    const joined = drawn.filter(({ schema }) => schema.relations.length > 0);
    expect(joined.length).toBeGreaterThan(40);
    expect(drawn.some(({ schema }) => schema.tables.some(({ columns }) => columns.length === 7))).toBe(true);
    const half = Array.from({ length: 300 }, (_, i) =>
      randomProgram(Random.of(9, i), "full", { own: { domain, share: 0.5 }, heldOutSchema: i % 3 === 0 }),
    );
    const share = half.filter(({ schema }) => schema.id.startsWith("own/")).length / 200;
    expect(share).toBeGreaterThan(0.38);
    expect(share).toBeLessThan(0.62);
    expect(half.some(({ schema }) => schema.heldOut && schema.id.startsWith("own/"))).toBe(false);
  });

  it("give rows of which most pass the compiler, and a source of a version of their own", async () => {
    const tables = tablesOf(WAREHOUSE);
    const source = await createIbisRowSource(engine, { seed: 3, profile: "full", own: { tables, share: 1 } });
    const plain = await createIbisRowSource(engine, { seed: 3, profile: "full" });
    expect(source.version).not.toBe(plain.version);
    const label = (text: string, schema: object, dialect?: string): ReturnType<DslEngine["label"]> =>
      engine.label(text, { schema: schema as never, ...(dialect === undefined ? {} : { dialect }) });
    const draws: Draw[] = [];
    for (let i = 0; i < 40; i++)
      draws.push(await source.draw("code_completion", i, { heldOutSchema: false, label }));
    const accepted = draws.flatMap((one) => ("candidate" in one ? [one.candidate] : []));
    expect(accepted.length).toBeGreaterThan(28);
    expect(accepted.every(({ schemaId }) => schemaId.startsWith("own/"))).toBe(true);
  });

  it.each([
    ["a: { b: inte }", "schema-invalid", /warehouse\.yaml: .*inte/],
    ["my table: { b: int64 }", "config-invalid", /my table \(line 1\): no variable/],
    ["a: { b: { type: date, key: true } }", "config-invalid", /a\.b \(line 1\): a key of type date/],
    ["a: { b: { type: int64, values: [x] } }", "config-invalid", /a\.b .*values of a column of type int64/],
    ["a: { b: { type: string, range: [1, 2] } }", "config-invalid", /a\.b .*a range of a column/],
    ["a: { b: { type: int64, references: c } }", "config-invalid", /refers to c, which is no table/],
    [
      "a: { id: int64 }\nc: { a: { type: string, references: a } }",
      "config-invalid",
      /c\.a \(line 2\): it is of type string, and the key id of a of type int64/,
    ],
    ["a: { x: date }\nc: { a: { type: int64, references: a } }", "config-invalid", /a, which has no key/],
  ])("with a fault are refused by table, column and line: %s", async (text, code, message) => {
    await expect(ownDomain(engine, tablesOf(text))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });
});
