/**
 * How the six tasks are put to the model. The templates are data: they are saved with an adapter and loaded back, so
 * that an adapter is always asked in the form it was trained on. They are short, because a small model on a small
 * machine pays for every token, and look like commented Python, which a pretrained code model has seen.
 */
import { z } from "zod";
import { IBertError } from "../../errors.js";
import type { CheckableText, PromptFields, TaskFormat, TaskType } from "../../data/tasks.js";
import type { PromptRequest } from "../definition.js";
import type { Schema } from "../dsl.js";
import { joinSql, tokenizeSql } from "./generator/sql_tokens.js";

const taskTemplate = z.strictObject({
  /** Lines with `{schema}`, `{input}`, `{error}`; a line whose field is absent is left out. */
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

export const IBIS_PROMPTS: PromptTemplates = {
  version: 1,
  typeNames: { int64: "int", float64: "float", string: "str", boolean: "bool" },
  tasks: {
    code_completion: { prompt: "# {schema}\n# Complete:\n{input}", stop: ["\n"] },
    ibis_to_sql: { prompt: "# {schema}\n# Ibis: {input}\n# SQL:\n", stop: ["\n"] },
    error_resolution: { prompt: "# {schema}\n# Broken: {input}\n# {error}\n# Fixed:\n", stop: ["\n"] },
    qa: { prompt: "# {schema}\n# Question: {input}\n# Answer:\n", stop: ["\n#", "\n\n"] },
    function_documentation: {
      prompt: "# {schema}\n# Function: {input}\n# Documentation:\n",
      stop: ["\n#", "\n\n"],
    },
    sql_to_ibis: { prompt: "# {schema}\n# SQL: {input}\n# Ibis:\n", stop: ["\n"] },
  },
};

/** The first line that marks code inside prose, as in Python's own documentation. */
export const CODE_MARK = ">>> ";

/** `orders(region str, amount float), customers(id int)` */
export function formatSchema(schema: Schema, templates: PromptTemplates): string {
  const shortType = (type: string): string => templates.typeNames[type] ?? type.replace(/\(.*\)$/, "");
  return Object.entries(schema)
    .map(([table, columns]) => {
      const listed = Object.entries(columns).map(([name, type]) => `${name} ${shortType(type)}`);
      return `${table}(${listed.join(", ")})`;
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
    input: fields.input,
    error: fields.error,
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

const EXCEPTION_LINE = /^\s*(?:#\s*)?((?:\w+\.)*\w*(?:Error|Exception|Invalid)\b:?.*)$/;

/**
 * What a user asked, in the form the model was trained on: SQL and programs on one line, the error apart.
 * @throws IBertError `empty_prompt`
 */
export function promptFieldsFromRequest(task: TaskType, request: PromptRequest): PromptFields {
  if (request.prompt.trim() === "") {
    throw new IBertError("empty_prompt", `${task}: the prompt is empty`, {
      hint: "Give the text to work on.",
    });
  }
  const fields: PromptFields = { input: request.prompt };
  if (request.schema !== undefined) fields.schema = request.schema;
  if (task === "sql_to_ibis") fields.input = joinSql(tokenizeSql(request.prompt.trim().replace(/;\s*$/, "")));
  if (task === "qa" || task === "function_documentation") fields.input = oneLine(request.prompt);
  if (task === "ibis_to_sql") fields.input = oneLineOfCode(request.prompt);
  if (task === "error_resolution") {
    const lines = request.prompt.trim().split("\n");
    const last = lines.length > 1 ? EXCEPTION_LINE.exec(lines.at(-1) ?? "") : null;
    const error = request.error ?? last?.[1];
    if (error !== undefined) fields.error = shortError(error);
    fields.input = oneLineOfCode(
      (last && request.error === undefined ? lines.slice(0, -1) : lines).join("\n"),
    );
  }
  return fields;
}

/** An exception as prompts show it: its first line, at most 120 characters. */
export function shortError(error: string): string {
  const line = (error.trim().split("\n")[0] as string).trim();
  return line.length > 120 ? `${line.slice(0, 117)}...` : line;
}

const oneLine = (text: string): string => text.trim().replace(/\s+/g, " ");

/** A program over several lines on one: line breaks go, and spaces at brackets and dots with them. */
function oneLineOfCode(code: string): string {
  return code
    .trim()
    .replace(/\s*\n\s*/g, "\n")
    .replace(/([([{.])\n/g, "$1")
    .replace(/\n([)\]}.])/g, "$1")
    .replaceAll("\n", " ");
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
      return code === undefined ? undefined : { language: "dsl", text: code };
    }
  }
}

/** The first `>>> ` line, else the first fenced block, of a text. */
export function codeIn(text: string): string | undefined {
  const marked = text.split("\n").find((line) => line.startsWith(CODE_MARK));
  if (marked !== undefined) return marked.slice(CODE_MARK.length).trim();
  return /```(?:\w*)\n([\s\S]*?)```/.exec(text)?.[1]?.trim();
}

/** Everything that training and evaluation ask about the form of prompts and answers. */
export function ibisTaskFormat(templates: PromptTemplates = IBIS_PROMPTS): TaskFormat {
  return {
    prompt: (task, fields) => formatPrompt(task, fields, templates),
    stop: (task) => templates.tasks[task].stop,
    assemble: assembleProgram,
  };
}
