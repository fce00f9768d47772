import { describe, expect, it } from "vitest";
import type { Row, TaskType } from "../data/tasks.js";
import { toyEngine, toyFormat } from "../data/testing/fakes.js";
import type { ExecutionJudge } from "./execution/judge.js";
import { ChosenRows, evaluateRows, rowsPerTask, type RowChoice, scoreRow, summarise } from "./metrics.js";

const makeRow = (task: TaskType, completion: string, id = `${task}-1`): Row => ({
  id,
  task,
  split: "test",
  fields: { input: "in" },
  completion,
  schema: {},
  schemaId: "none",
  shape: "s",
  source: "test",
  licence: "Apache-2.0",
});

const score = (task: TaskType, gold: string, prediction: string) =>
  scoreRow(makeRow(task, gold), prediction, toyEngine(), toyFormat);

describe("scoreRow", () => {
  it("passes the rungs below the one that failed", async () => {
    const result = await score("sql_to_ibis", "a", "bad:build");
    expect(result.passed).toEqual({ parse: true, names: true, build: false, compile: false });
    expect(result.error).toBe("ToyError: build");
    expect(result.sqlEqual).toBe(false);
  });

  it("calls answers equal when they compile to the same SQL, exact when the text is the same", async () => {
    expect(await score("sql_to_ibis", "t.A()", "t.a()")).toMatchObject({ sqlEqual: true, exact: false });
    expect(await score("sql_to_ibis", "t.a()", " t.a()\n")).toMatchObject({ exact: true });
  });

  it("checks SQL answers as SQL", async () => {
    expect(await score("ibis_to_sql", "select 1", "SELECT 1")).toMatchObject({ sqlEqual: true });
    expect((await score("ibis_to_sql", "select 1", "bad")).passed.parse).toBe(false);
  });

  it("counts a missing program as a failure, but only where one was due", async () => {
    expect(await score("qa", "code a", "no idea")).toMatchObject({
      holdsCode: true,
      passed: { parse: false },
      error: "the answer holds no code",
    });
    expect((await score("qa", "prose", "other prose")).holdsCode).toBe(false);
  });
});

describe("facts", () => {
  it("are all to be named, and none that is not there", async () => {
    const right = async (prediction: string) => (await score("qa", "fact a, fact b", prediction)).factsRight;
    expect(await right("fact b and fact a")).toBe(true);
    expect(await right("fact a")).toBe(false);
    expect(await right("fact a, fact b, fact c")).toBe(false);
    const prose = await score("qa", "prose", "fact a");
    expect(prose).not.toHaveProperty("factsRight");
    const facts = await Promise.all(["fact a", "fact b"].map((one) => score("qa", "fact a", one)));
    expect(summarise([...facts, prose]).facts).toEqual({ rows: 2, right: 0.5 });
    expect(summarise([prose])).not.toHaveProperty("facts");
  });
});

describe("the next identifier", () => {
  it("is judged where the prompt does not determine the answer, and nowhere else", async () => {
    const right = async (task: TaskType, prediction: string) => score(task, "head(5)", prediction);
    const scores = [await right("code_completion", "head(3)"), await right("code_completion", "tail(5)")];
    expect(scores.map((one) => one.nextIdentifierRight)).toEqual([true, false]);
    const other = await right("sql_to_ibis", "head(5)");
    expect(other).not.toHaveProperty("nextIdentifierRight");
    expect(await score("code_completion", "()", "x")).not.toHaveProperty("nextIdentifierRight");
    expect(summarise([...scores, other]).nextIdentifier).toMatchObject({ rows: 2, right: 0.5 });
    expect(summarise([other])).not.toHaveProperty("nextIdentifier");
  });
});

describe("execution", () => {
  const asked: [gold: string, answer: string | undefined][] = [];
  /** Executes by the text: `NONE` can tell nothing, and an answer is right that ends as the known query does. */
  const judge = {
    judge: (gold: string, answer: string | undefined) => {
      asked.push([gold, answer]);
      if (gold.includes("NONE")) return Promise.resolve("nothing can be told");
      const equal = answer?.at(-1) === gold.at(-1);
      return Promise.resolve({ runs: answer !== undefined, equal, neighbours: 10, killed: 9 });
    },
  } as unknown as ExecutionJudge;
  const executed = (task: TaskType, gold: string, prediction: string) =>
    scoreRow(makeRow(task, gold), prediction, toyEngine(), toyFormat, judge);

  it("judges what the compiler gives for both, and a constant answer beside it", async () => {
    const score = await executed("sql_to_ibis", "a", "b.a");
    expect(asked).toEqual([
      ["A", "B.A"],
      ["A", "CONSTANT"],
    ]);
    expect(score.execution).toMatchObject({
      runs: true,
      equal: true,
      neighbours: 10,
      killed: 9,
      constantEqual: false,
    });
    expect((await executed("sql_to_ibis", "a", "bad:compile")).execution).toMatchObject({
      runs: false,
      equal: false,
    });
    expect((await executed("sql_to_ibis", "t", "b")).execution).toMatchObject({
      equal: false,
      constantEqual: true,
    });
  });

  it("executes the SQL of an answer as it stands", async () => {
    asked.length = 0;
    await executed("ibis_to_sql", "select a", "select A;");
    expect(asked[0]).toEqual(["select a", "select A;"]);
  });

  it("executes the SQL of another dialect in DuckDB's, against the program that it was compiled from", async () => {
    asked.length = 0;
    const inMysql = (input: string, gold: string, prediction: string) => {
      const row = { ...makeRow("ibis_to_sql", gold), fields: { input, dialect: "mysql" } };
      return scoreRow(row, prediction, toyEngine(), toyFormat, judge);
    };
    const right = await inMysql("program 1", "select 1", "SELECT 1");
    expect(asked.slice(0, 2)).toEqual([
      ["PROGRAM 1", "(select 1) 1"],
      ["PROGRAM 1", "(SELECT 1) 1"],
    ]);
    expect(right.execution).toMatchObject({ equal: true, facets: { dialect: ["mysql"] } });
    expect((await inMysql("program 1", "select 1", "select 2")).execution).toMatchObject({ equal: false });
    expect((await inMysql("program 1", "select 1", "only 1")).execution).toMatchObject({ runs: false });
    const said = async (gold: string) => (await inMysql("program 1", gold, gold)).notExecuted;
    expect(await said("only 1")).toBe("the row's own completion: DuckDB has no such query of mysql");
    expect(await said("select 2")).toMatch(/in DuckDB its mysql SQL means something else/);
  });

  it("leaves out rows whose prompt does not determine the answer, and says of which it can tell nothing", async () => {
    const [open, untold, prose] = await Promise.all([
      executed("code_completion", "a", "a"),
      executed("sql_to_ibis", "none", "none"),
      executed("qa", "prose", "prose"),
    ]);
    expect(open).not.toHaveProperty("execution");
    expect(untold).toMatchObject({ notExecuted: "nothing can be told" });
    expect(untold).not.toHaveProperty("execution");
    expect(prose).not.toHaveProperty("execution");
    expect(summarise([open, prose])).not.toHaveProperty("execution");
    expect(summarise([untold]).execution).toMatchObject({ rows: 0, accuracy: 0, untold: 1 });
  });

  it("gives the accuracy over the executed rows alone, with its interval and the constant answer's", async () => {
    const answers = [
      ["a", "a"],
      ["a", "b"],
      ["t", "t"],
      ["none", "none"],
    ] as const;
    const scores = await Promise.all(answers.map(([gold, answer]) => executed("sql_to_ibis", gold, answer)));
    const { execution } = summarise(scores);
    expect(execution).toMatchObject({
      rows: 3,
      runs: 1,
      accuracy: 2 / 3,
      constant: 1 / 3,
      killed: 0.9,
      untold: 1,
    });
    expect(execution?.interval[0]).toBeLessThan(2 / 3);
    expect(execution?.interval[1]).toBe(1);
  });
});

describe("evaluateRows", () => {
  const rows = [
    makeRow("qa", "prose", "q1"),
    makeRow("qa", "code a", "q2"),
    makeRow("sql_to_ibis", "a", "s1"),
    makeRow("sql_to_ibis", "b", "s2"),
  ];

  it("gives the rates of each task over its code rows, and cuts answers at the stop text", async () => {
    const answers: Record<string, string> = { q1: "prose", q2: "code a\nmore", s1: "a", s2: "bad:compile" };
    const prompts: string[] = [];
    const result = await evaluateRows({
      rows,
      engine: toyEngine(),
      format: toyFormat,
      generate: (prompt, { row, stop }) => {
        prompts.push(prompt + stop.length);
        return Promise.resolve(answers[row.id] as string);
      },
    });
    expect(prompts[0]).toBe("qa: in\n1");
    expect(result.tasks.qa).toMatchObject({ rows: 2, codeRows: 1, rates: { compile: 1 }, exactMatch: 1 });
    expect(result.tasks.sql_to_ibis).toMatchObject({ rates: { build: 1, compile: 0.5 }, sqlEqual: 0.5 });
    expect(result.tasks.ibis_to_sql).toBeUndefined();
    expect(result.all.codeRows).toBe(3);
    expect(result.scores.map(({ id }) => id)).toEqual(["q1", "q2", "s1", "s2"]);
  });

  it("passes on what the generator throws", async () => {
    const generate = (): Promise<string> => Promise.reject(new Error("out of memory"));
    await expect(evaluateRows({ rows, engine: toyEngine(), format: toyFormat, generate })).rejects.toThrow(
      "out of memory",
    );
  });

  it("takes the same number of rows of each task", () => {
    expect(rowsPerTask(rows, 1).map(({ id }) => id)).toEqual(["q1", "s1"]);
    const chosen = (choice: RowChoice): string[] => {
      const some = ChosenRows.of(rows, choice);
      return Array.from({ length: some.length }, (_, i) => (some.at(i) as Row).id);
    };
    const ids = rowsPerTask(rows, 9).map(({ id }) => id);
    expect(chosen({ perTask: 9 })).toEqual(ids);
    expect(chosen({ perTask: 9, limit: 1 })).toEqual(["q1"]);
    expect(chosen({ perTask: 9, limit: 2 })).toEqual(["q1", "s1"]);
    expect(chosen({ perTask: 9, limit: 3 })).toEqual(["q1", "q2", "s1"]);
    expect(chosen({ perTask: 9, limit: 99, tasks: ["sql_to_ibis"] })).toEqual(["s1", "s2"]);
    expect(chosen({ perTask: 1, limit: 99 })).toEqual(["q1", "s1"]);
  });
});
