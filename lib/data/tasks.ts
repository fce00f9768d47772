import { z } from "zod";
import { DECLARED_TASKS, type TaskType } from "../dsl/declared.js";
import type { Schema } from "../dsl/dsl.js";
import { IBertError } from "../errors.js";

export type { TaskType };

/** The tasks that the DSLs declare, in the order in which tables list them. */
export const TASK_TYPES: readonly TaskType[] = DECLARED_TASKS.map(({ name }) => name);

/** Tasks whose answers go on where the prompt ends. */
const CONTINUING: ReadonlySet<TaskType> = new Set(
  DECLARED_TASKS.filter(({ continuesPrompt }) => continuesPrompt).map(({ name }) => name),
);

/** Whether only prompt and answer together are a program. */
export const continuesPrompt = (task: TaskType): boolean => CONTINUING.has(task);

/**
 * `valid` and `test` hold program shapes that `train` has not; `test_schema` holds schemas (domains) that no other
 * split has; `human` holds what people wrote, whose shapes `train` has not either.
 */
export const SPLITS = ["train", "valid", "test", "test_schema", "human"] as const;
export type Split = (typeof SPLITS)[number];

/** Splits that are drawn from a source, in their numbers. */
export type DrawnSplit = Exclude<Split, "human">;
export const DRAWN_SPLITS = SPLITS.filter((split): split is DrawnSplit => split !== "human");

/** What a prompt template may refer to. */
export interface PromptFields {
  /** Tables shown to the model; absent when the prompt names none. */
  schema?: Schema;
  /** The SQL, program, prefix, question or signature that the task is about. */
  input: string;
  /** Where a program is to be mended: `ExceptionType: message`. */
  error?: string;
  /** Where the input or the answer is SQL: its dialect, if it is not DuckDB's. */
  dialect?: string;
  /** Where a function is to be documented: the style of its docstring, if it is not the DSL's usual one. */
  style?: string;
}

/** The code of an answer and the language to check it in. */
export interface CheckableText {
  language: "dsl" | "sql";
  text: string;
}

/** The form of prompts and answers, as one DSL defines it. */
export interface TaskFormat {
  /** The text that the completion follows. */
  prompt(task: TaskType, fields: PromptFields): string;
  /** The answer that a row teaches. */
  completion(task: TaskType, fields: PromptFields, completion: string): string;
  /** Texts that end an answer besides the end of sequence. */
  stop(task: TaskType): readonly string[];
  /** What the compiler is to check; undefined when the answer holds no code. */
  assemble(task: TaskType, fields: PromptFields, completion: string): CheckableText | undefined;
  /** Whether the row's prompt says all that decides what its program gives, so that execution can judge any answer. */
  determined(row: Row): boolean;
  /** Whether the row's prompt leaves open what the result's columns are called and in which order they come. */
  columnsAreOpen(row: Row): boolean;
  /**
   * Where DuckDB does not run the row's own completion as it stands: a program that means the same, which it is held
   * against before anything is judged by it.
   */
  reference(row: Row): CheckableText | undefined;
  /**
   * Where prose is judged by what it names, such as parameters: what it must name and what an answer does. Undefined where
   * the row's own completion names nothing.
   */
  facts(row: Row, answer: string): { due: readonly string[]; named: readonly string[] } | undefined;
  /**
   * The first name that an answer adds to its prompt, where that is the measure because the prompt does not determine the
   * rest: undefined where the text adds none.
   */
  nextIdentifier(row: Row, answer: string): string | undefined;
  /** An answer that takes nothing of the prompt but a table's name: what a measure gives for it, it gives for nothing. */
  constant(row: Row): string;
}

/** The text before the first of the stop texts. */
export function cutAtStop(text: string, stops: readonly string[]): string {
  const ends = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return ends.length === 0 ? text : text.slice(0, Math.min(...ends));
}

const schemaShape = z.record(z.string().min(1), z.record(z.string().min(1), z.string().min(1)));

/** One line of a corpus file. */
export const rowShape = z.strictObject({
  id: z.string().min(1),
  task: z.enum(TASK_TYPES),
  split: z.enum(SPLITS),
  fields: z.strictObject({
    schema: schemaShape.optional(),
    input: z.string().min(1),
    error: z.string().min(1).optional(),
    dialect: z.string().min(1).optional(),
    style: z.string().min(1).optional(),
  }),
  completion: z.string(),
  /** The tables that a check of this row needs, whether or not the prompt shows them. */
  schema: schemaShape,
  schemaId: z.string(),
  /** What the splits keep apart: the compiled plan without its names, or the API entry. */
  shape: z.string().min(1),
  /** What sort of row of its task it is, such as the class of a mistake. */
  kind: z.string().min(1).optional(),
  source: z.string().min(1),
  licence: z.string().min(1),
  provenance: z
    .strictObject({
      repository: z.string().min(1),
      commit: z.string().min(1),
      file: z.string().min(1),
      line: z.int().positive(),
      endLine: z.int().positive(),
      rule: z.string().min(1),
    })
    .optional(),
});

/** Where in a repository a row was found. */
export interface Provenance {
  repository: string;
  /** As `Repository.commit`. */
  commit: string;
  file: string;
  line: number;
  endLine: number;
  /** The rule that found it. */
  rule: string;
}

export interface Row {
  id: string;
  task: TaskType;
  split: Split;
  fields: PromptFields;
  completion: string;
  schema: Schema;
  schemaId: string;
  shape: string;
  kind?: string;
  source: string;
  licence: string;
  /** Of a row that was mined. */
  provenance?: Provenance;
}

/** Rows one by one, wherever they lie; an array is one such. */
export interface Rows {
  readonly length: number;
  /** Row number `row`, from 0. */
  at(row: number): Row | undefined;
  /** `file:line` of a row. */
  where?(row: number): string;
}

export function isTaskType(name: string): name is TaskType {
  return (TASK_TYPES as readonly string[]).includes(name);
}

/** @throws IBertError `task-unknown`, naming the place that said so. */
export function parseTaskType(name: unknown, where: string): TaskType {
  if (typeof name === "string" && isTaskType(name)) return name;
  throw new IBertError("task-unknown", `${where}: unknown task ${JSON.stringify(name)}`, {
    hint: `The tasks are ${TASK_TYPES.join(", ")}.`,
  });
}
