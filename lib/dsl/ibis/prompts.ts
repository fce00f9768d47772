/**
 * How the six tasks are put to the model. The templates are data: they are saved with an adapter and loaded back, so
 * that an adapter is always asked in the form it was trained on. They are short, because a small model on a small
 * machine pays for every token, and look like commented Python, which a pretrained code model has seen.
 */
import { z } from "zod";
import type { CheckableText, PromptFields, Row, TaskFormat, TaskType } from "../../data/tasks.js";
import type { Schema } from "../dsl.js";
import { unixLines } from "../text/lines.js";
import { normalisePython, normalisePythonPrefix } from "../text/python.js";
import { normaliseSql } from "../text/sql.js";
import { saysIntent } from "./tasks/completion.js";
import { definesFunction, documentedParameters, parametersOf } from "./tasks/docstring.js";

const taskTemplate = z.strictObject({
  /** Lines with `{schema}`, `{dialect}`, `{input}`, `{error}`; a line whose field is absent is left out. */
  prompt: z.string().includes("{input}"),
  /** Texts that end an answer besides the model's own end of sequence. */
  stop: z.array(z.string().min(1)),
});

export const promptTemplatesShape = z.strictObject({
  version: z.literal(1),
  /** Short names of types in prompts; a type that is not listed is written as it is. */
  typeNames: z.record(z.string(), z.string()),
  tasks: z.strictObject({
    code_completion: taskTemplate,
    ibis_to_sql: taskTemplate,
    error_resolution: taskTemplate,
    qa: taskTemplate,
    function_documentation: taskTemplate,
    sql_to_ibis: taskTemplate,
  }),
});
export type PromptTemplates = z.infer<typeof promptTemplatesShape>;

/** Neither stands in a program as it is taught; a model that was not taught to end its answers goes on with them. */
const CODE_STOPS = ["\n\n", "\n#"];

export const IBIS_PROMPTS: PromptTemplates = {
  version: 1,
  typeNames: { int64: "int", float64: "float", string: "str", boolean: "bool" },
  tasks: {
    code_completion: { prompt: "# {schema}\n# Complete:\n{input}", stop: CODE_STOPS },
    ibis_to_sql: { prompt: "# {schema}\n# Dialect: {dialect}\n# Ibis: {input}\n# SQL:\n", stop: CODE_STOPS },
    error_resolution: { prompt: "# {schema}\n# Broken: {input}\n# {error}\n# Fixed:\n", stop: CODE_STOPS },
    qa: {
      prompt: "# {schema}\n# Question: {input}\n# Answer:\n",
      stop: ["\n# Question:", "\n# Answer:"],
    },
    function_documentation: {
      prompt: "# {schema}\n# Function: {input}\n# Documentation:\n",
      stop: ["\n# Function:", "\n# Documentation:"],
    },
    sql_to_ibis: { prompt: "# {schema}\n# Dialect: {dialect}\n# SQL: {input}\n# Ibis:\n", stop: CODE_STOPS },
  },
};

/** The first line that marks code inside prose, as in Python's own documentation. */
export const CODE_MARK = ">>> ";

/** A name as DDL writes it: in quotes unless it is a plain one. */
const quoteName = (name: string): string =>
  /^[\p{L}\p{Nl}_][\p{L}\p{M}\p{Nl}\p{Nd}_]*$/u.test(name) ? name : `"${name.replaceAll('"', '""')}"`;

/** `orders(region str, amount float), customers(id int, "full name" str)` */
export function formatSchema(schema: Schema, templates: PromptTemplates): string {
  const shortType = (type: string): string => templates.typeNames[type] ?? type.replace(/\(.*\)$/, "");
  return Object.entries(schema)
    .map(([table, columns]) => {
      const listed = Object.entries(columns).map(([name, type]) => `${quoteName(name)} ${shortType(type)}`);
      return `${quoteName(table)}(${listed.join(", ")})`;
    })
    .join(", ");
}

/** The prompt's text, which the completion follows with nothing between. */
export function formatPrompt(
  task: TaskType,
  fields: PromptFields,
  templates: PromptTemplates = IBIS_PROMPTS,
): string {
  const values: Record<string, string | undefined> = {
    input: normaliseInput(task, fields.input, fields.dialect),
    error: fields.error,
    dialect: fields.dialect === "duckdb" ? undefined : fields.dialect,
    schema: fields.schema === undefined ? undefined : formatSchema(fields.schema, templates),
  };
  return templates.tasks[task].prompt
    .split("\n")
    .filter((line) =>
      [...line.matchAll(/\{(\w+)\}/g)].every(([, name]) => values[name as string] !== undefined),
    )
    .map((line) => line.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? ""))
    .join("\n");
}

/**
 * The text that a task is about as every prompt shows it, a user's and a corpus row's: programs and SQL without comments,
 * their tokens as they were written. Normalising again changes nothing.
 */
export function normaliseInput(task: TaskType, input: string, dialect?: string): string {
  switch (task) {
    case "sql_to_ibis":
      return normaliseSql(unixLines(input), dialect);
    case "code_completion":
      // A comment above may say what is wanted.
      return normalisePythonPrefix(unixLines(input), { comments: true });
    case "ibis_to_sql":
    case "error_resolution":
    case "function_documentation":
      return normalisePython(unixLines(input));
    case "qa":
      return unixLines(input).trim();
  }
}

/** The answer that a row teaches: a program or SQL in the form in which a prompt would show it. */
export function normaliseCompletion(task: TaskType, fields: PromptFields, completion: string): string {
  switch (task) {
    case "ibis_to_sql":
      return normaliseSql(unixLines(completion), fields.dialect);
    case "sql_to_ibis":
    case "error_resolution":
      return normalisePython(unixLines(completion));
    case "code_completion": {
      // Only together with what stands before is it clear what the completion's line ends mean.
      const before = normaliseInput(task, fields.input);
      const whole = normalisePython(unixLines(fields.input + completion), { comments: true });
      return whole.startsWith(before) ? whole.slice(before.length) : unixLines(completion).trimEnd();
    }
    case "qa":
    case "function_documentation":
      return unixLines(completion).trimEnd();
  }
}

/** What the compiler is to check, for an answer to that prompt; undefined when the answer holds no code. */
export function assembleProgram(
  task: TaskType,
  fields: PromptFields,
  completion: string,
): CheckableText | undefined {
  switch (task) {
    case "code_completion":
      return { language: "dsl", text: (fields.input + completion).trim() };
    case "ibis_to_sql":
      return { language: "sql", text: completion.trim() };
    case "sql_to_ibis":
    case "error_resolution":
      return { language: "dsl", text: completion.trim() };
    case "qa":
    case "function_documentation": {
      const code = codeIn(completion);
      if (code === undefined) return undefined;
      // An example calls the function that it documents.
      const isOwn = task === "function_documentation" && definesFunction(fields.input);
      return { language: "dsl", text: isOwn ? `${fields.input}\n${code}` : code };
    }
  }
}

/** The first `>>> ` line, else the first fenced block, of a text. */
export function codeIn(text: string): string | undefined {
  const marked = text.split("\n").find((line) => line.trimStart().startsWith(CODE_MARK));
  if (marked !== undefined) return marked.trimStart().slice(CODE_MARK.length).trim();
  return /```(?:\w*)\n([\s\S]*?)```/.exec(text)?.[1]?.trim();
}

/**
 * A translation and a repair are determined by what is translated and mended, a question by its words where it was made
 * from a program. Other examples may be any, and a program goes on as its writer likes: what decides is a comment above
 * that says what is wanted, or that nothing but brackets is missing.
 */
export function isDetermined({ task, fields, completion }: Row): boolean {
  switch (task) {
    case "ibis_to_sql":
    case "sql_to_ibis":
    case "error_resolution":
      return true;
    case "qa":
      return completion.startsWith(CODE_MARK);
    case "function_documentation":
      return false;
    case "code_completion":
      return saysIntent(fields.input) || /^[\s)\]}]+$/.test(completion);
  }
}

/** The program whose SQL a row gives in a dialect that DuckDB does not run. */
function referenceOf({ task, fields }: Row): CheckableText | undefined {
  return task === "ibis_to_sql" && fields.dialect !== undefined
    ? { language: "dsl", text: fields.input }
    : undefined;
}

/** Names of functions with their class or module, and what stands in backquotes, before any code. */
const FUNCTION_NAMES = /\b((?:[A-Z]\w*|ibis)\.[a-z_]\w*)/g;
const QUOTED_NAMES = /`([^`\n]+)`/g;

const namesIn = (prose: string, pattern: RegExp): string[] =>
  [...(prose.split(CODE_MARK)[0] ?? "").matchAll(pattern)].map(([, name = ""]) => name);

/** The parameters that a docstring documents; of other answers in prose the functions in it, else the names in quotes. */
function factsOf({ task, fields, completion }: Row, answer: string): ReturnType<TaskFormat["facts"]> {
  if (task === "function_documentation" && definesFunction(fields.input)) {
    return { due: parametersOf(fields.input), named: documentedParameters(answer) };
  }
  if (task !== "qa" && task !== "function_documentation") return undefined;
  // Quotes beside functions are of their summaries, which may be put in other words.
  const pattern = [FUNCTION_NAMES, QUOTED_NAMES].find((one) => namesIn(completion, one).length > 0);
  return pattern && { due: namesIn(completion, pattern), named: namesIn(answer, pattern) };
}

function constantAnswer({ task, schema }: Row): string {
  const table = Object.keys(schema)[0] ?? "t";
  if (task === "ibis_to_sql") return `SELECT * FROM ${quoteName(table)}`;
  if (task === "code_completion") return "";
  return task === "qa" || task === "function_documentation" ? CODE_MARK + table : table;
}

/** Everything that training and evaluation ask about the form of prompts and answers. */
export function ibisTaskFormat(templates: PromptTemplates = IBIS_PROMPTS): TaskFormat {
  return {
    prompt: (task, fields) => formatPrompt(task, fields, templates),
    completion: normaliseCompletion,
    stop: (task) => templates.tasks[task].stop,
    assemble: assembleProgram,
    determined: isDetermined,
    reference: referenceOf,
    facts: factsOf,
    constant: constantAnswer,
  };
}
