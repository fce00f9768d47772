import { describe, expect, it } from "vitest";
import type { TaskType } from "../../../data/tasks.js";
import { ibisTaskFormat } from "./prompts.js";
import { completionStart, continuation, fieldsOfRepair, promptFieldsFromRequest } from "./request.js";
import { shortError } from "./error-resolution.js";

const schema = { df: { category: "string" } };
const input = (task: TaskType, prompt: string): string => promptFieldsFromRequest(task, { prompt }).input;
const fix = (prompt: string, error?: string) =>
  promptFieldsFromRequest("error_resolution", { prompt, ...(error === undefined ? {} : { error }) });

describe("the text of a request", () => {
  it("is SQL on one line, its tokens untouched", () => {
    expect(input("sql_to_ibis", "SELECT a,\n  'x  y'\nFROM t WHERE a>=3;\n")).toBe(
      "SELECT a, 'x  y' FROM t WHERE a>=3",
    );
    expect(
      input(
        "sql_to_ibis",
        "SELECT region, SUM(amount) AS total -- the sum per region\nFROM orders -- all of them\n" +
          "WHERE amount > 5 GROUP BY region",
      ),
    ).toBe("SELECT region, SUM(amount) AS total FROM orders WHERE amount > 5 GROUP BY region");
  });

  it("is SQL of the dialect that is named", () => {
    const fields = promptFieldsFromRequest("sql_to_ibis", {
      prompt: "SELECT 1 # one\nFROM t",
      dialect: "mysql",
    });
    expect(fields).toEqual({ input: "SELECT 1 FROM t", dialect: "mysql" });
  });

  it("is documented in the style that is named", () => {
    const prompt = "def f(t):\n    return t";
    const fields = promptFieldsFromRequest("function_documentation", { prompt, style: "numpy" });
    expect(fields).toEqual({ input: prompt, style: "numpy" });
    expect(ibisTaskFormat().prompt("function_documentation", fields)).toContain("# Style: numpy\n");
    expect(ibisTaskFormat().prompt("function_documentation", { ...fields, style: "google" })).not.toContain(
      "Style",
    );
    expect(() => promptFieldsFromRequest("function_documentation", { prompt, style: "rest" })).toThrow(
      'there is no docstring style "rest"',
    );
  });

  it("is a program whose statements stay apart", () => {
    expect(input("ibis_to_sql", "a = t.head() # few\nb = a.filter(\n  a.x > 1\n)\nb\n")).toBe(
      "a = t.head()\nb = a.filter(a.x > 1)\nb",
    );
  });

  it("is what stands in the fences", () => {
    expect(input("ibis_to_sql", "```python\nt.head()\n```\n")).toBe("t.head()");
    expect(input("sql_to_ibis", "```sql\nSELECT 1\nFROM t\n```")).toBe("SELECT 1 FROM t");
    expect(input("code_completion", "```python\nt.")).toBe("t.");
    expect(fix("```python\nt.hed()\n```\nAttributeError: no hed")).toEqual({
      input: "t.hed()",
      error: "AttributeError: no hed",
    });
    expect(fix("This fails:\n```\nt.hed()\n```\nwith\n```\nAttributeError: no hed\n```")).toMatchObject({
      input: "t.hed()",
    });
  });

  it("is a prefix as it was typed", () => {
    const prompt = "df.group_by('category').";
    expect(input("code_completion", prompt)).toBe(prompt);
    expect(input("code_completion", "x = 1  # one\nx.")).toBe("x = 1  # one\nx.");
  });

  it("is a question with its lines", () => {
    expect(input("qa", " Why?\r\nx = 1 # a\r\n")).toBe("Why?\nx = 1 # a");
  });

  it("must not be empty", () => {
    expect(() => input("qa", " \n")).toThrow(/qa: the prompt is empty/);
    expect(() => input("sql_to_ibis", "-- nothing\n;")).toThrow(/sql_to_ibis: the prompt holds nothing but/);
    expect(() =>
      fix('Traceback (most recent call last):\n  File "<stdin>", line 1, in <module>\nValueError: x'),
    ).toThrow(/error_resolution/);
  });
});

const TRACEBACK = `Traceback (most recent call last):
  File "/home/me/report.py", line 7, in <module>
    by_region = orders.group_by("region").agregate(
                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/site-packages/ibis/expr/types/groupby.py", line 101, in __getattr__
    raise AttributeError(f"GroupedTable has no attribute {key}")
AttributeError: GroupedTable has no attribute agregate
`;

describe("a completion", () => {
  it("begins on a new line behind a comment", () => {
    expect(completionStart("t.head()  # five")).toBe("\n");
    expect(completionStart("t.head()  # five\n")).toBe("");
    expect(completionStart("t.")).toBe("");
  });

  it("is what a program adds to the prefix, whatever comments and line breaks this has", () => {
    expect(continuation("t.filter(", "t.filter(t.x > 1)")).toBe("t.x > 1)");
    expect(continuation("(t  # all\n  .filter(t.x)\n  ", "(t.filter(t.x).head())")).toBe(".head())");
    expect(continuation("x = t # all\nx.", "x = t\nx.head()")).toBe("head()");
    expect(continuation("x = t # all", "x = t\nx.head()")).toBe("\nx.head()");
    expect(continuation("x = ", "x = t")).toBe("t");
    expect(continuation("t.filter(", "t.head()")).toBeUndefined();
  });
});

describe("a refused answer", () => {
  it("is asked to be mended, if it holds a program", () => {
    expect(fieldsOfRepair("t.hed()  # five", "AttributeError: no hed\nmore", schema)).toEqual({
      input: "t.hed()",
      error: "AttributeError: no hed",
      schema,
    });
    expect(fieldsOfRepair("# nothing\n", "SyntaxError: the text holds no expression")).toBeUndefined();
  });
});

describe("a report to be mended", () => {
  it("is a program with its exception", () => {
    const prompt = "df.group_by(\n  'a'\n).aggg()\nAttributeError: no aggg\n";
    expect(promptFieldsFromRequest("error_resolution", { prompt, schema })).toEqual({
      schema,
      input: "df.group_by('a').aggg()",
      error: "AttributeError: no aggg",
    });
    expect(fix("# AttributeError: no hed\nt.hed()")).toEqual({
      input: "t.hed()",
      error: "AttributeError: no hed",
    });
    expect(fix("t.x()\nibis.common.exceptions.IbisTypeError: no x\n  more of it\n\nExpected: y")).toEqual({
      input: "t.x()",
      error: "ibis.common.exceptions.IbisTypeError: no x",
    });
  });

  it("is a program with its traceback", () => {
    const program = 'import ibis\n\nby_region = orders.group_by("region").agregate(\n  n=_.count()\n)';
    expect(fix(`${program}\n\n${TRACEBACK}`)).toEqual({
      input: 'import ibis\nby_region = orders.group_by("region").agregate(n=_.count())',
      error: "AttributeError: GroupedTable has no attribute agregate",
    });
    expect(fix(`$ python report.py\n${TRACEBACK}\n${program}`)).toEqual(fix(`${program}\n${TRACEBACK}`));
  });

  it("is a traceback alone, which shows the line", () => {
    expect(fix(TRACEBACK).input).toBe('by_region = orders.group_by("region").agregate(');
    const syntax =
      "  File \"<stdin>\", line 1\n    t.filter(\n            ^\nSyntaxError: '(' was never closed";
    expect(fix(syntax)).toEqual({ input: "t.filter(", error: "SyntaxError: '(' was never closed" });
  });

  it("is a notebook's traceback", () => {
    const cell = `---------------------------------------------------------------------------
AttributeError                            Traceback (most recent call last)
Cell In[3], line 2
      1 t = con.table("t")
----> 2 t.agregate()

File ~/env/lib/python3.11/site-packages/ibis/expr/types/relations.py:858, in Table.__getattr__(self, key)
    857         hint = ""
--> 858     raise AttributeError(key)

AttributeError: 'Table' object has no attribute 'agregate'`;
    expect(fix(cell)).toEqual({
      input: "t.agregate()",
      error: "AttributeError: 'Table' object has no attribute 'agregate'",
    });
    expect(fix(`t = con.table("t")\nt.agregate()\n${cell}`).input).toBe('t = con.table("t")\nt.agregate()');
  });

  it("is an interactive session", () => {
    const session = `>>> x = t.head()\n>>> for c in cs:\n...     x = x.hed()\n... \n${TRACEBACK}`;
    expect(fix(session).input).toBe("x = t.head()\nfor c in cs:\n    x = x.hed()");
  });

  it("names the last of several exceptions", () => {
    const chained = `t.x()
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    t.x()
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 1, in <module>
    t.x()
SignatureValidationError: x(y) has failed due to the following errors:
  \`y\`: no

Expected signature: x(y: int)`;
    expect(fix(chained)).toEqual({
      input: "t.x()",
      error: "SignatureValidationError: x(y) has failed due to the following errors:",
    });
  });

  it("prefers the error that is given: its exception, at most 120 characters", () => {
    expect(fix("df.x()\nKeyError: 1", TRACEBACK)).toEqual({
      input: "df.x()",
      error: "AttributeError: GroupedTable has no attribute agregate",
    });
    const long = shortError(`ValueError: ${"x".repeat(200)}\nmore`);
    expect(long).toMatch(/^ValueError: x+\.\.\.$/);
    expect(long).toHaveLength(120);
  });
});
