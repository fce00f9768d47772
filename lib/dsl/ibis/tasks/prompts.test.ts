import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutAtStop, TASK_TYPES, type Row, type TaskFormat } from "../../../data/tasks.js";
import {
  assembleProgram,
  formatPrompt,
  ibisTaskFormat,
  IBIS_PROMPTS,
  normaliseCompletion,
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

  it("names the dialect of SQL where it is not DuckDB's", () => {
    const of = (dialect?: string): string =>
      formatPrompt("ibis_to_sql", { input: "t", ...(dialect === undefined ? {} : { dialect }) });
    expect(of("snowflake")).toBe("# Dialect: snowflake\n# Ibis: t\n# SQL:\n");
    expect(of("duckdb")).toBe(of());
  });

  it("keeps the comments of a beginning, which may say what is wanted", () => {
    expect(formatPrompt("code_completion", { input: "# the big ones\nt  # all\nt.f" })).toBe(
      "# Complete:\n# the big ones\nt\nt.f",
    );
  });

  it("does not take braces in an input for fields", () => {
    expect(formatPrompt("qa", { input: "what is {schema}?" })).toContain("# Question: what is {schema}?");
  });

  it("shows a corpus row's text as it would a user's: no comments, the tokens as they are", () => {
    const program = "t = a.head()  # few\n\nt.filter(\n  t.x==1  # one\n)\n";
    expect(formatPrompt("ibis_to_sql", { input: program })).toBe(
      "# Ibis: t = a.head()\nt.filter(t.x==1)\n# SQL:\n",
    );
    expect(formatPrompt("error_resolution", { input: program })).toBe(
      "# Broken: t = a.head()\nt.filter(t.x==1)\n# Fixed:\n",
    );
    expect(formatPrompt("code_completion", { input: program + "t." })).toBe(
      "# Complete:\nt = a.head()\nt.filter(t.x==1)\nt.",
    );
    expect(formatPrompt("sql_to_ibis", { input: "select a -- b\nfrom t;" })).toBe(
      "# SQL: select a from t\n# Ibis:\n",
    );
    const dialect = { input: "select 'it\\'s # x' # y\nfrom t", dialect: "mysql" };
    expect(formatPrompt("sql_to_ibis", dialect)).toBe(
      "# Dialect: mysql\n# SQL: select 'it\\'s # x' from t\n# Ibis:\n",
    );
    expect(formatPrompt("qa", { input: "Why does this fail?\r\nx = 1  # one\r\ny = 2\n" })).toBe(
      "# Question: Why does this fail?\nx = 1  # one\ny = 2\n# Answer:\n",
    );
  });

  it("quotes names as DDL does", () => {
    const odd = { "my table": { "unit price": "float64", größe: "int64", 'a"b': "string" } };
    expect(formatPrompt("qa", { schema: odd, input: "?" })).toContain(
      '# "my table"("unit price" float, größe int, "a""b" str)\n',
    );
  });

  it("gives every task a prompt of its own", () => {
    const prompts = TASK_TYPES.map((task) => formatPrompt(task, { schema, input: "x", error: "E: y" }));
    expect(new Set(prompts).size).toBe(TASK_TYPES.length);
  });
});

describe("normaliseCompletion", () => {
  it("teaches programs of several statements whole, without what would end an answer", () => {
    const program = "import ibis\n\n# few\nx = t.head(\n  5\n)\nx\n";
    for (const task of ["sql_to_ibis", "error_resolution"] as const) {
      const taught = normaliseCompletion(task, { input: "x" }, program);
      expect(taught).toBe("import ibis\nx = t.head(5)\nx");
      expect(IBIS_PROMPTS.tasks[task].stop.some((stop) => taught.includes(stop))).toBe(false);
    }
    expect(normaliseCompletion("ibis_to_sql", { input: "t" }, "SELECT a -- b\n\nFROM t;\n")).toBe(
      "SELECT a FROM t",
    );
  });

  it("goes on from a prefix where the prompt ends", () => {
    const of = (input: string, completion: string): string =>
      normaliseCompletion("code_completion", { input }, completion);
    expect(of("t.filter(", "t.x > 1)  # big\n")).toBe("t.x > 1)");
    expect(of("x = t\n", "y = x.head()\n\ny")).toBe("y = x.head()\ny");
    expect(of("(t  # all\n  .", "head(\n 5)\n)")).toBe("head(5))");
  });

  it("leaves prose as it is", () => {
    expect(normaliseCompletion("qa", { input: "?" }, "One.\r\n\r\n# Two  \n")).toBe("One.\n\n# Two");
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

describe("assembleProgram", () => {
  it("joins a prefix and its completion", () => {
    const fields = { input: "df.group_by('a')." };
    expect(assembleProgram("code_completion", fields, "count()")).toEqual({
      language: "dsl",
      text: "df.group_by('a').count()",
    });
  });

  it("calls the function that it documents", () => {
    const own = { input: "def f(t):\n    return t" };
    const docstring = "All.\n\nExample:\n    >>> f(orders)";
    expect(assembleProgram("function_documentation", own, docstring)?.text).toBe(
      "def f(t):\n    return t\nf(orders)",
    );
    expect(assembleProgram("function_documentation", { input: "Table.head(n)" }, ">>> t.head(3)")?.text).toBe(
      "t.head(3)",
    );
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

describe("facts", () => {
  const format = ibisTaskFormat();
  const facts = (of: Row, answer: string): ReturnType<TaskFormat["facts"]> => format.facts(of, answer);
  const row = (task: "qa" | "function_documentation", input: string, completion: string): Row => ({
    ...{ id: "r", task, split: "test", fields: { input }, completion, schema: {}, schemaId: "none" },
    ...{ shape: "s", source: "test", licence: "Apache-2.0" },
  });

  it("are the parameters of the function that a docstring documents", () => {
    const own = row("function_documentation", "def f(t, n):\n    return t", "");
    expect(facts(own, "All.\n\nArgs:\n    t: It.\n    m: Many.")).toEqual({
      due: ["t", "n"],
      named: ["t", "m"],
    });
  });

  it("are the names of functions and parameters in prose", () => {
    expect(
      facts(row("qa", "?", "Table.head: few. ibis.desc: down.\n>>> ibis.asc(t)"), "Use Table.head."),
    ).toEqual({
      due: ["Table.head", "ibis.desc"],
      named: ["Table.head"],
    });
    expect(facts(row("qa", "?", "It takes `n` and `offset`."), "`n`")?.due).toEqual(["n", "offset"]);
    expect(facts(row("qa", "?", "Sort a table."), "`n`")).toBeUndefined();
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
