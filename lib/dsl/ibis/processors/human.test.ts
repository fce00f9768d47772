import { afterAll, describe, expect, it } from "vitest";
import { NaturalnessCounter } from "../../../data/naturalness.js";
import type { WrittenRow } from "../../../data/source.js";
import type { Row } from "../../../data/tasks.js";
import { Agreement } from "../../../evaluation/execution/agreement.js";
import { ibis } from "../index.js";
import { textForms } from "./forms.js";
import { TPC_TABLES } from "./tpc-tables.js";

const engine = ibis.createEngine({ workers: 1 });
const agreement = Agreement.open(engine) as Agreement;
afterAll(() => Promise.all([agreement.close(), engine.close()]));

const named = (rows: readonly WrittenRow[], name: string): WrittenRow =>
  rows.find(({ source, task }) => source.endsWith(name) && task === "sql_to_ibis") as WrittenRow;

describe("rows of human origin", () => {
  it("are TPC-H and TPC-DS, each as both translations, and those that are no pair are named", async () => {
    expect(Object.values(TPC_TABLES).map((tables) => Object.keys(tables).length)).toEqual([8, 24]);
    expect(TPC_TABLES.ds["web_sales"]).toMatchObject({
      ws_sold_date_sk: "int64",
      ws_net_profit: "decimal(15, 2)",
    });
    const { rows, left } = await ibis.humanRows();
    const of = (suite: string, task: string): number =>
      rows.filter(({ kind, task: own }) => kind === suite && own === task).length;
    expect(of("tpch", "sql_to_ibis")).toBe(22);
    expect(of("tpcds", "ibis_to_sql")).toBe(91);
    expect(left.map(({ text }) => text)).toContain("tpcds-05");
    expect(left).toHaveLength(8);
    const three = named(rows, "tpch-04");
    expect(Object.keys(three.schema)).toEqual(["lineitem", "orders"]);
    expect(three.completion).toContain("orders.o_orderdate < (ibis.date(DATE) + ibis.interval(months=3))");
    expect(named(rows, "tpcds-02").completion).toMatch(/^import calendar as cal\n/);
    for (const { completion } of rows) expect(completion).not.toMatch(/\n\n|\n#/);
  });

  it("pass the gates, and do not once their SQL or their program is another one", async () => {
    const { rows } = await ibis.humanRows();
    const [one, six] = [named(rows, "tpch-01"), named(rows, "tpch-06")];
    const wrong = {
      ...six,
      fields: { ...six.fields, input: six.fields.input.replace("l_quantity <", "l_quantity >") },
    };
    const broken = { ...one, completion: one.completion.replace("l_tax", "l_taxes") };
    expect(wrong.fields.input).not.toBe(six.fields.input);
    const draws = await ibis.admit(engine)([one, six, wrong, broken], agreement.same);
    const told = draws.map((draw) => ("refusal" in draw ? draw.refusal.reason : draw.candidate.shape));
    expect(told).toEqual([
      expect.stringMatching(/^plan:\w{16}$/),
      expect.stringMatching(/^plan:\w{16}$/),
      "its SQL does not give what its program gives: it gives other rows",
      expect.stringMatching(/^its program does not compile: .*l_taxes/),
    ]);
    // What a corpus holds of them is held to the same.
    const row = (written: WrittenRow, shape = ""): Row => ({ ...written, id: "x", split: "human", shape });
    const [right, other] = await ibis.rowAudit(
      engine,
      agreement.same,
    )([row(six, told[1]), row(wrong, told[1])]);
    expect(right).toMatchObject({ shape: told[1], faults: [] });
    expect(other?.faults).toEqual(["its SQL does not give what its program gives: it gives other rows"]);
  });
});

describe("naturalness", () => {
  it("counts lengths, words and forms of programs and SQL, the two texts of a human pair once", () => {
    const counter = new NaturalnessCounter();
    const row = (task: Row["task"], input: string, completion: string, source: string): Row => ({
      task,
      fields: { input },
      completion,
      source,
      schema: {},
      schemaId: "",
      shape: "",
      licence: "",
      id: "",
      split: "human",
    });
    const sql =
      "with x as (select a from t, u) select b, count(*) n from x where exists (select 1) group by b having n > 1";
    const program = 't = u.filter(_.a == "group by(")\nt.join(v, lambda l, r: l.id == r["id"]).limit(3)';
    for (const text of textForms(row("sql_to_ibis", sql, program, "people"))) counter.add("human", text);
    expect(textForms(row("ibis_to_sql", program, sql, "people"))).toEqual([]);
    expect(textForms(row("qa", "why", ">>> t.limit(3)", "generator"))).toHaveLength(1);
    const plain = "SELECT DISTINCT a FROM t WHERE b IN (1, 2) ORDER BY a DESC, b";
    for (const { forms } of textForms(row("sql_to_ibis", plain, "t", "generator")).slice(1))
      expect(forms).toEqual(["ORDER BY"]);
    const { SQL, programs } = counter.report();
    expect(Object.keys(SQL?.["human"]?.forms ?? {}).sort()).toEqual(
      [
        "EXISTS",
        "GROUP BY",
        "HAVING",
        "WITH",
        "alias without AS",
        "lower case",
        "subquery",
        "tables by comma",
      ].sort(),
    );
    expect(Object.keys(programs?.["human"]?.forms ?? {}).sort()).toEqual(
      ["_.column", "join", "lambda", "limit", "several statements", 'table["column"]'].sort(),
    );
    expect(programs?.["human"]).toMatchObject({ texts: 1, medianLength: program.length, vocabulary: 12 });
  });
});
