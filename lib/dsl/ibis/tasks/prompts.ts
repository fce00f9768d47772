/**
 * How the six tasks are put to the model. The templates are data: they are saved with an adapter and loaded back, so
 * that an adapter is always asked in the form it was trained on. They are short, because a small model on a small
 * machine pays for every token, and look like commented Python, which a pretrained code model has seen.
 */
import { z } from "zod";
import {
  TASK_TYPES,
  type CheckableText,
  type PromptFields,
  type TaskFormat,
  type TaskType,
} from "../../../data/tasks.js";
import type { Schema } from "../../dsl.js";
import { TASKS } from "./index.js";

/** As `TaskTemplate` has it. */
const taskTemplate = z.strictObject({
  prompt: z.string().includes("{input}"),
  stop: z.array(z.string().min(1)),
});

export const promptTemplatesShape = z.strictObject({
  version: z.literal(1),
  /** Short names of types in prompts; a type that is not listed is written as it is. */
  typeNames: z.record(z.string(), z.string()),
  tasks: z.record(z.enum(TASK_TYPES), taskTemplate),
});
export type PromptTemplates = z.infer<typeof promptTemplatesShape>;

export const IBIS_PROMPTS: PromptTemplates = {
  version: 1,
  typeNames: { int64: "int", float64: "float", string: "str", boolean: "bool" },
  tasks: Object.fromEntries(
    TASK_TYPES.map((task) => [task, TASKS[task].template]),
  ) as PromptTemplates["tasks"],
};

/** A name as DDL writes it: in quotes unless it is a plain one. */
const quoteName = (name: string): string =>
  /^[\p{L}\p{Nl}_][\p{L}\p{M}\p{Nl}\p{Nd}_]*$/u.test(name) ? name : `"${name.replaceAll('"', '""')}"`;

/** `orders(region str, amount float), customers(id int, "full name" str)` */
export function formatSchema(schema: Schema, templates: PromptTemplates): string {
  // Of what a type says in brackets a time zone matters.
  const shortType = (type: string): string => templates.typeNames[type] ?? type.replace(/\(\d[^)]*\)$/, "");
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
    style: fields.style === "google" ? undefined : fields.style,
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
export const normaliseInput = (task: TaskType, input: string, dialect?: string): string =>
  TASKS[task].input(input, dialect);

/** The answer that a row teaches: a program or SQL in the form in which a prompt would show it. */
export const normaliseCompletion = (task: TaskType, fields: PromptFields, completion: string): string =>
  TASKS[task].completion(fields, completion);

/** What the compiler is to check, for an answer to that prompt; undefined when the answer holds no code. */
export const assembleProgram = (
  task: TaskType,
  fields: PromptFields,
  completion: string,
): CheckableText | undefined => TASKS[task].assemble(fields, completion);

/** Everything that training and evaluation ask about the form of prompts and answers. */
export function ibisTaskFormat(templates: PromptTemplates = IBIS_PROMPTS): TaskFormat {
  return {
    prompt: (task, fields) => formatPrompt(task, fields, templates),
    completion: normaliseCompletion,
    stop: (task) => templates.tasks[task].stop,
    assemble: assembleProgram,
    determined: (row) => TASKS[row.task].determined(row),
    reference: (row) => TASKS[row.task].reference?.(row),
    facts: (row, answer) => TASKS[row.task].facts?.(row, answer),
    columnsAreOpen: (row) => TASKS[row.task].columnsAreOpen?.(row) ?? false,
    nextIdentifier: (row, answer) => TASKS[row.task].nextIdentifier?.(row, answer),
    constant({ task, schema }) {
      const table = Object.keys(schema)[0] ?? "t";
      return TASKS[task].constant(table, quoteName(table));
    },
  };
}
