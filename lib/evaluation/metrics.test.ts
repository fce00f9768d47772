import { describe, expect, it } from "vitest";
import type { Row, TaskType } from "../data/tasks.js";
import { toyEngine, toyFormat } from "../data/testing/fakes.js";
import { evaluateRows, rowsPerTask, scoreRow } from "./metrics.js";

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
  });
});
