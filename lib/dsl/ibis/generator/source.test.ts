import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildCorpus } from "../../../data/build.js";
import { splitCounts } from "../../../data/corpus.js";
import { checkCorpus } from "../../../data/check.js";
import { Random } from "../../../data/random.js";
import { openSplit } from "../../../data/reader.js";
import { SPLITS, TASK_TYPES, type Row, type TaskType } from "../../../data/tasks.js";
import { Agreement } from "../../../evaluation/execution/agreement.js";
import { evaluateRows } from "../../../evaluation/metrics.js";
import type { DslEngine } from "../../dsl.js";
import { drawMutant, isRaised, MISTAKES } from "./mistakes/index.js";
import { FORMS, written, type Written } from "./forms/index.js";
import { PROFILES, randomProgram, type Program } from "./programs.js";
import { toSchema } from "./schemas.js";
import { sqlForms } from "./sql/forms.js";
import { isAttribute } from "./python-names.js";
import { binary, call, keyOf, literal, write, type Node, type Style } from "./syntax.js";
import { ibisRowAudit } from "../checker/audit.js";
import { createIbisEngine } from "../index.js";
import { ibisTaskFormat } from "../tasks/prompts.js";
import { createIbisRowSource } from "./source.js";

let engine: DslEngine;
let agreement: Agreement;
let folder: string;
beforeAll(async () => {
  engine = createIbisEngine({ workers: 1 });
  agreement = Agreement.open(engine) as Agreement;
  folder = await mkdtemp(join(tmpdir(), "ibert-source-"));
});
afterAll(async () => {
  await agreement.close();
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

const STYLES: readonly Style[] = [
  { column: "deferred", quote: '"' },
  { column: "attribute", quote: "'" },
  { column: "item", quote: '"' },
  { column: "deferred_item", quote: "'" },
  { column: "lambda", quote: '"' },
  { column: "lambda_item", quote: "'", keys: "column" },
  { column: "deferred", quote: '"', keys: "column" },
  { column: "attribute", quote: '"', keys: "column" },
];

describe.each(PROFILES)("random programs of the %s profile", (profile) => {
  it("compile, in every style to the same SQL", async () => {
    const items = Array.from({ length: 60 }, (_, i) =>
      randomProgram(Random.of(11, i), profile, { heldOutSchema: i % 7 === 0 }),
    ).flatMap(({ node, schema }) =>
      STYLES.map((style) => ({ text: write(node, style), schema: toSchema(schema.tables) })),
    );
    const verdicts = await engine.checkMany(items);
    verdicts.forEach((verdict, i) => {
      expect(verdict, items[i]?.text).toMatchObject({ ok: true });
      expect(verdict.sql, items[i]?.text).toBe(verdicts[i - (i % STYLES.length)]?.sql);
    });
  });
});

describe("the forms of a program", () => {
  it("compile to what it compiles to as one expression", async () => {
    const drawn = Array.from({ length: 150 }, (_, i) => {
      const random = Random.of(31, i);
      const program = randomProgram(random, "full");
      return { program, form: written(random, program, "full") };
    });
    const items = drawn.flatMap(({ program: { node, schema }, form }) =>
      [form.text, write(node)].map((text) => ({ text, schema: toSchema(schema.tables) })),
    );
    const verdicts = await engine.checkMany(items);
    verdicts.forEach((verdict, i) => {
      expect(verdict, items[i]?.text).toMatchObject({ ok: true });
      if (i % 2 === 0) expect(verdict.sql, items[i]?.text).toBe(verdicts[i + 1]?.sql);
    });
    const count = (test: (form: Written) => boolean): number => drawn.filter(({ form }) => test(form)).length;
    for (const form of FORMS)
      expect(
        count((one) => one.form === form),
        form,
      ).toBeGreaterThan(8);
    expect(count(({ imports }) => imports)).toBeGreaterThan(20);
    expect(count(({ text }) => text.includes("lambda "))).toBeGreaterThan(5);
    const { text } = written(Random.of(32), drawn[0]?.program as Program, "quickstart");
    expect(text).not.toContain("\n");
  });
});

describe("the forms of SQL", () => {
  it("give what the compiler's own gives, on tables that DuckDB holds", async () => {
    const drawn = Array.from({ length: 400 }, (_, i) => randomProgram(Random.of(51, i), "full"));
    const isWide = ({ schema }: Program): boolean => schema.tables.length > 3;
    const items = [...drawn.slice(0, 60), ...drawn.slice(60).filter(isWide)].map(({ node, schema }) => ({
      text: write(node),
      schema: toSchema(schema.tables),
    }));
    const ofMany = new Set<string>();
    const seen = new Set<string>();
    for (const [i, { sql = "" }] of (await engine.labelMany(items)).entries()) {
      const { schema = {} } = items[i] ?? {};
      const forms = sqlForms(sql, schema);
      const told = await agreement.executeAll(
        sql,
        forms.map(({ text }) => text),
        schema,
      );
      if (typeof told === "string" || !told.tells) continue;
      told.equal.forEach((equal, at) => expect(equal, `${sql}\n${forms[at]?.text}`).toBe(true));
      for (const { form } of forms) seen.add(form);
      if (Object.keys(schema).length > 3) for (const { form } of forms) ofMany.add(form);
    }
    for (const form of ["compact", "plain alias", "using", "comma", "cte", "lower", "compiler"]) {
      expect(seen, form).toContain(form);
      expect(ofMany, form).toContain(form);
    }
  });

  it("are told from what gives other rows or another order, and from programs that give none", async () => {
    const schema = { t: { a: "int64" } };
    const others = [
      "SELECT a FROM t WHERE a > 1",
      "SELECT a FROM t",
      "SELECT a FROM t ORDER BY a DESC",
      "SELECT b",
    ];
    expect(await agreement.executeAll("SELECT a FROM t ORDER BY a", others, schema)).toEqual({
      equal: [false, false, false, false],
      tells: true,
    });
    const none = "SELECT COUNT(*) FROM t WHERE a > 3 AND a < 2";
    expect(await agreement.executeAll(none, [none], schema)).toEqual({ equal: [false], tells: false });
    expect(await agreement.executeAll("SELECT b FROM t", [], schema)).toMatch(/"b"/);
  });
});

describe("names of columns", () => {
  it("of any sort are written so that Python and Ibis read them, in every form", async () => {
    const api = await engine.describeApi();
    const owned = api.filter(({ owner }) => owner === "Table" || owner === "Expr" || owner === "Join");
    for (const { name } of owned) expect(isAttribute(name), name).toBe(false);

    const names = [
      "count",
      "class",
      "net total",
      "lambda",
      "2nd",
      "a-b",
      'say "so"',
      "it's",
      "größe",
      "by",
      "_x",
      "op",
    ];
    const items = names.flatMap((name) => {
      const column = { name, ofTable: "t" };
      const node: Node = { kind: "column", ...column };
      const kept = call({ kind: "table", name: "t" }, "filter", [binary(">", node, literal(1))]);
      const counted: Node = call({ kind: "column", name }, "max");
      const grouped = call(call(kept, "group_by", [keyOf({ name })]), "agg", [], [[`${name} `, counted]]);
      const program = call(grouped, "order_by", [call(null, "desc", [keyOf({ name: `${name} ` })])]);
      const schema = { t: { [name]: "int64", other: "string" } };
      return STYLES.map((style) => ({ text: write(program, style), schema }));
    });
    const verdicts = await engine.checkMany(items);
    verdicts.forEach((verdict, i) => {
      expect(verdict, items[i]?.text).toMatchObject({ ok: true });
      expect(verdict.sql, items[i]?.text).toBe(verdicts[i - (i % STYLES.length)]?.sql);
    });
  });
});

describe("near-duplicates", () => {
  const schema = {
    t: { a: "int64", b: "int64", s: "string", d: "date" },
    u: { a: "int64", c: "int64" },
  };
  const same: [string, string][] = [
    ["t.filter(_.a > 1).select('a')", "t.filter(t.a > 27)[['a']]"],
    ["t.mutate(x=_.a + 1).filter(_.x > 3)", "t.mutate(y=_.a + 2).filter(_.y > 4)"],
    ["t.group_by('s').agg(n=_.a.sum()).limit(3)", "t.group_by('s').agg(total=_.a.sum()).limit(5)"],
    ["t.join(u, 'a').filter(_.c == 1).select('b', 'c')", "t.join(u, 'a').filter(_.c == 2).select('c', 'b')"],
    ["t.filter(_.s == 'x').s.nunique()", "t.filter(_.s == 'y').s.nunique()"],
  ];
  // References, unions and what a subquery takes from outside have no values of their own.
  const referring: [string, string][] = [
    ["v = t.view()\nt.filter(_.a > v.filter(v.s == t.s).a.mean().as_scalar())", ""],
    ["t.select('a').union(u.select('a')).group_by('a').agg(n=_.count())", ""],
    ["v = t.view()\nt.join(v, t.a == v.b).select(t.s, x=v.a)", ""],
    ["t.mutate(i=ibis.row_number()).filter(_.i < 3)", ""],
    ["t.distinct().a.sum()", ""],
  ].map(([text = ""]) => [text, text.replace("3", "4")]);
  same.push(...referring);
  const different: [string, string][] = [
    ["t.filter(_.a > 1)", "t.filter(_.b > 1)"],
    ["t.filter(_.a > 1)", "t.filter(_.a >= 1)"],
    ["t.select('a')", "t.select('b')"],
    ["t.order_by('a')", "t.order_by(ibis.desc('a'))"],
    ["t.mutate(x=_.d.truncate('M'))", "t.mutate(x=_.d.truncate('Y'))"],
    ["t.mutate(x=_.a + 1).agg(m=_.x.max())", "t.mutate(x=_.b + 1).agg(m=_.x.max())"],
    ["t.inner_join(u, 'a')", "t.left_join(u, 'a')"],
    ["t.count()", "u.count()"],
  ];

  it("differ in literals and in names that they give, in nothing else", async () => {
    const items = [...same, ...different].flat().map((text) => ({ text, schema }));
    const found = await engine.labelMany(items);
    found.forEach((verdict, i) => expect(verdict, items[i]?.text).toMatchObject({ ok: true }));
    const equal = [...same, ...different].map(
      (_, i) => found[2 * i]?.queryHash === found[2 * i + 1]?.queryHash,
    );
    expect(equal).toEqual([...same.map(() => true), ...different.map(() => false)]);
    expect(new Set(found.map(({ queryHash }) => typeof queryHash))).toEqual(new Set(["string"]));
  });
});

describe("mistakes", () => {
  it("of every class occur, and most of each fail with an exception of Python or Ibis", async () => {
    const drawn = Array.from({ length: 400 }, (_, i) => {
      const random = Random.of(5, i);
      return drawMutant(random, () => randomProgram(random, "full"));
    }).filter((found) => found !== undefined);
    const verdicts = await engine.checkMany(
      drawn.map(({ program, mutant }) => ({ text: mutant.text, schema: toSchema(program.schema.tables) })),
    );
    const shares = MISTAKES.map((mistake) => {
      const own = verdicts.filter((_, i) => drawn[i]?.mutant.mistake === mistake);
      const failed = own.filter(({ error, refused }) => refused !== true && error && isRaised(error));
      for (const { error } of failed) expect(error?.type).toMatch(/Error$|Exception$|Invalid/);
      return { mistake, drawn: own.length, failed: failed.length / own.length };
    });
    const rare = shares.filter(({ drawn: count, failed }) => count < 4 || !(failed >= 0.7));
    expect(rare).toEqual([]);
  });
});

describe.each(PROFILES)("a corpus of the %s profile", (profile) => {
  const format = ibisTaskFormat();
  const rows = splitCounts(
    { train: 60, evaluation: { valid: 2, test: 3, test_schema: 2 } },
    Object.fromEntries(TASK_TYPES.map((task) => [task, 1])),
  );
  const all: Row[] = [];

  beforeAll(async () => {
    const source = await createIbisRowSource(engine, { seed: 4, profile, execute: agreement.executeAll });
    const directory = join(folder, profile);
    const { manifest } = await buildCorpus({ directory, seed: 4, rows }, { engine, source });
    expect(manifest.counts).toEqual(rows);
    for (const split of SPLITS.filter((one) => one !== "human")) {
      const file = await openSplit(directory, split);
      all.push(...file);
      file.close();
    }
  });

  it("is sound: hashes, splits, and every program and statement in it", async () => {
    const audit = ibisRowAudit(engine);
    const { checked, problems } = await checkCorpus(join(folder, profile), { engine, audit, format });
    expect(problems).toEqual([]);
    expect(checked).toBe(all.length);
  });

  it("scores its own answers as right", async () => {
    const test = all.filter((row) => row.split === "test");
    const generate = (_: string, { row }: { row: Row }): Promise<string> => Promise.resolve(row.completion);
    const { all: metrics } = await evaluateRows({ rows: test, engine, format, generate });
    expect(metrics).toMatchObject({ rates: { compile: 1 }, exactMatch: 1, sqlEqual: 1 });
  });

  it("shows broken programs with the exception that they really raise", async () => {
    const broken = all.filter((row) => row.task === "error_resolution");
    expect(broken.length).toBeGreaterThan(10);
    for (const { fields, schema } of broken) {
      const verdict = await engine.check(fields.input, { schema });
      expect(verdict.ok).toBe(false);
      expect(`${verdict.error?.type}: ${verdict.error?.message}`).toContain(
        fields.error?.replace(/\.\.\.$/, ""),
      );
    }
  });

  it("has rows of every kind, and in the full profile of many dialects", () => {
    const kinds = (task: TaskType): Set<string | undefined> =>
      new Set(all.filter((row) => row.task === task).map(({ kind }) => kind));
    expect(kinds("function_documentation")).toEqual(
      new Set(["entry", "function, google", "function, numpy"]),
    );
    expect(kinds("qa")).toContain("howto");
    expect(kinds("error_resolution").size).toBeGreaterThan(6);
    const completions = all.filter((row) => row.task === "code_completion");
    const determined = completions.filter((row) => format.determined(row));
    expect(determined.length / completions.length).toBeGreaterThan(0.35);
    const dialects = new Set(all.map(({ fields }) => fields.dialect ?? "duckdb"));
    expect(dialects.size).toBeGreaterThan(profile === "full" ? 5 : 0);
    if (profile === "quickstart") expect(dialects).toEqual(new Set(["duckdb"]));
  });

  it("keeps prompts and answers on as few lines as the stop texts allow", () => {
    for (const row of all) {
      for (const stop of format.stop(row.task)) expect(row.completion).not.toContain(stop);
    }
  });
});
