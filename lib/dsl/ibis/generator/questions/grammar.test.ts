import { describe, expect, it } from "vitest";
import { Random } from "../../../../data/random.js";
import { randomProgram } from "../programs.js";
import { binary, call, literal, write, type Node } from "../syntax.js";
import type { Clause } from "./clauses.js";
import { factsOf, namesFacts } from "./facts.js";
import { intent, question } from "./grammar.js";

const programs = Array.from({ length: 600 }, (_, i) => randomProgram(Random.of(41, i), "full"));
const asked = programs.map((program, i) => question(Random.of(42, i), program, "full"));

describe("questions", () => {
  it("name what their programs filter, group, sort and limit by", () => {
    const named = asked.filter((text, i) => namesFacts(text, programs[i] as (typeof programs)[number]));
    expect(named.length / asked.length).toBeGreaterThan(0.99);
  });

  it("begin in many ways, on one line, and seldom dictate the names of new columns", () => {
    const starts = new Set(asked.map((text) => text.split(" ").slice(0, 2).join(" ")));
    expect(starts.size).toBeGreaterThan(25);
    expect(asked.every((text) => !text.includes("\n"))).toBe(true);
    const makers = programs.flatMap(({ clauses }, i) =>
      clauses.flatMap((clause) =>
        clause.kind === "summary" ? clause.values.map(({ name }) => ({ name, text: asked[i] ?? "" })) : [],
      ),
    );
    const dictated = makers.filter(({ name, text }) => name.includes("_") && text.includes(name));
    expect(makers.length).toBeGreaterThan(150);
    expect(dictated.length / makers.length).toBeLessThan(0.45);
    expect(dictated.length).toBeGreaterThan(5);
  });

  it("say inner joins of several tables in one breath", () => {
    const join = (table: string): Clause => ({
      ...{ kind: "join", verb: "join", table, on: `${table} id`, conditions: [] },
    });
    const clauses: Clause[] = [
      ...["customers", "items", "stores"].map(join),
      { kind: "summary", values: [{ english: "the total amount", name: "s" }], keys: ["city"] },
    ];
    const program = { ...(programs[0] as (typeof programs)[number]), clauses };
    const node: Node = { kind: "table", name: "t" };
    const said = Array.from({ length: 40 }, (_, i) =>
      question(Random.of(46, i), { ...program, node: call(node, "agg") }, "full"),
    );
    const all = "customers on customers id, items on items id and stores on stores id";
    expect(said.some((text) => text.includes(`join ${all}`))).toBe(true);
    expect(said.some((text) => /^What is the total amount .* joined (with|to) /.test(text))).toBe(true);
    expect(said.some((text) => text.includes("then join items on items id"))).toBe(true);
  });

  it("that leave a fact out are told from those that do not", () => {
    const t: Node = { kind: "table", name: "t" };
    const price: Node = { kind: "column", name: "unit_price" };
    const kept = call(t, "filter", [binary(">", price, literal(20))]);
    const node = call(kept, "group_by", [{ kind: "name", name: "region", key: {} }]);
    const program = { ...(programs[0] as (typeof programs)[number]), node: call(node, "agg") };
    expect(factsOf(program)).toEqual(["20", "region"]);
    expect(namesFacts("What is the total per region where unit price is above 20?", program)).toBe(true);
    expect(namesFacts("What is the total where unit price is above 20?", program)).toBe(false);
    expect(namesFacts("What is the total per region?", program)).toBe(false);
  });

  it("of the quick start keep to three forms; intents say what the program does", () => {
    const easy = randomProgram(Random.of(43), "quickstart");
    const steps = easy.english.join(", then ").toLowerCase();
    expect(question(Random.of(44), easy, "quickstart").toLowerCase()).toContain(steps);
    for (const program of programs.slice(0, 100)) {
      expect(namesFacts(intent(Random.of(45), program, "full"), program), write(program.node)).toBe(true);
    }
  });
});
