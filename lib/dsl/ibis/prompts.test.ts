import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutAtStop, TASK_TYPES } from "../../data/tasks.js";
import {
  assembleProgram,
  formatPrompt,
  IBIS_PROMPTS,
  promptFieldsFromRequest,
  promptTemplatesShape,
} from "./prompts.js";

const schema = { df: { category: "string", price: "float64", paid: "decimal(12, 2)" } };

describe("formatPrompt", () => {
  it("names tables with short types and ends where the answer starts", () => {
    expect(formatPrompt("sql_to_ibis", { schema, input: "SELECT 1" })).toBe(
      "# df(category str, price float, paid decimal)\n# SQL: SELECT 1\n# Ibis:\n",
    );
  });

  it("leaves out the line of a field that is absent", () => {
    expect(formatPrompt("code_completion", { input: "df.group_by('category')." })).toBe(
      "# Complete:\ndf.group_by('category').",
    );
    expect(formatPrompt("error_resolution", { input: "df.x()" })).toBe("# Broken: df.x()\n# Fixed:\n");
  });

  it("does not take braces in an input for fields", () => {
    expect(formatPrompt("qa", { input: "what is {schema}?" })).toContain("# Question: what is {schema}?");
  });

  it("gives every task a prompt of its own", () => {
    const prompts = TASK_TYPES.map((task) => formatPrompt(task, { schema, input: "x", error: "E: y" }));
    expect(new Set(prompts).size).toBe(TASK_TYPES.length);
  });
});

describe("templates", () => {
  it("survive a round trip through JSON", () => {
    expect(promptTemplatesShape.parse(JSON.parse(JSON.stringify(IBIS_PROMPTS)))).toEqual(IBIS_PROMPTS);
  });

  it("must have a place for the input and all six tasks", () => {
    const { qa, ...others } = IBIS_PROMPTS.tasks;
    expect(promptTemplatesShape.safeParse({ ...IBIS_PROMPTS, tasks: others }).success).toBe(false);
    const noInput = { ...IBIS_PROMPTS, tasks: { ...others, qa: { ...qa, prompt: "no place" } } };
    expect(promptTemplatesShape.safeParse(noInput).success).toBe(false);
  });
});

describe("promptFieldsFromRequest", () => {
  it("writes SQL on one line, strings untouched", () => {
    const prompt = "SELECT a,\n  'x  y'\nFROM t WHERE a>=3;\n";
    expect(promptFieldsFromRequest("sql_to_ibis", { prompt }).input).toBe(
      "SELECT a, 'x  y' FROM t WHERE a >= 3",
    );
  });

  it("takes the exception off the end of broken code", () => {
    const prompt = "df.group_by(\n  'a'\n).aggg()\nAttributeError: no aggg\n";
    expect(promptFieldsFromRequest("error_resolution", { prompt, schema })).toEqual({
      schema,
      input: "df.group_by('a').aggg()",
      error: "AttributeError: no aggg",
    });
  });

  it("prefers the error that is given, shortened to its first line", () => {
    const error = `ValueError: ${"x".repeat(200)}\nmore`;
    const fields = promptFieldsFromRequest("error_resolution", { prompt: "df.x()", error });
    expect(fields.input).toBe("df.x()");
    expect(fields.error).toMatch(/^ValueError: x+\.\.\.$/);
    expect(fields.error).toHaveLength(120);
  });

  it("keeps a prefix as it was typed", () => {
    const prompt = "df.group_by('category').";
    expect(promptFieldsFromRequest("code_completion", { prompt }).input).toBe(prompt);
  });

  it("refuses an empty prompt", () => {
    expect(() => promptFieldsFromRequest("qa", { prompt: " \n" })).toThrow(/qa: the prompt is empty/);
  });
});

describe("assembleProgram", () => {
  it("joins a prefix and its completion", () => {
    const fields = { input: "df.group_by('a')." };
    expect(assembleProgram("code_completion", fields, "count()")).toEqual({
      language: "dsl",
      text: "df.group_by('a').count()",
    });
  });

  it("finds marked and fenced code in prose, and none where there is none", () => {
    const of = (text: string) => assembleProgram("qa", { input: "?" }, text)?.text;
    expect(of('Sort it.\n>>> t.order_by("a")')).toBe('t.order_by("a")');
    expect(of("So:\n```python\nt.limit(3)\n```\n")).toBe("t.limit(3)");
    expect(of("Sort it.")).toBeUndefined();
  });

  it("takes SQL as SQL", () => {
    expect(assembleProgram("ibis_to_sql", { input: "t" }, " SELECT 1\n")).toEqual({
      language: "sql",
      text: "SELECT 1",
    });
  });
});

describe("cutAtStop", () => {
  it("ends at the earliest stop text", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        const head = a.replaceAll("\n", "");
        expect(cutAtStop(`${head}\n${b}`, ["\n", "\n\n"])).toBe(head);
        expect(cutAtStop(head, ["\n"])).toBe(head);
      }),
    );
  });
});
