/** What is particular to one task: how its prompts and answers are written, and how they are read and judged. */
import type { CheckableText, PromptFields, Row, TaskFormat } from "../../../data/tasks.js";
import type { PromptRequest } from "../../definition.js";
import { unixLines } from "../../text/lines.js";
import { normalisePython } from "../../text/python.js";
import { normaliseSql } from "../../text/sql.js";

export interface TaskTemplate {
  /** Lines with `{schema}`, `{dialect}`, `{style}`, `{input}`, `{error}`; a line whose field is absent is left out. */
  prompt: string;
  /** Texts that end an answer besides the model's own end of sequence. */
  stop: string[];
}

/** What a row says that the compiler can compute anew. */
export interface Claims {
  /** Compiles, and to a plan of the row's shape. */
  program?: string;
  /** What the program compiles to. */
  sql?: string;
  /** Raises the row's exception. */
  broken?: string;
  /** What Ibis documents of a function. */
  prose?: string;
  /** The documentation of a function of the row's own. */
  docstring?: string;
}

export interface IbisTask {
  readonly template: TaskTemplate;
  /** What a request says, its text not yet in normal form. */
  fields(text: string, request: PromptRequest): PromptFields;
  /** The text that the task is about, as every prompt shows it. Normalising again changes nothing. */
  input(text: string, dialect?: string): string;
  /** The answer that a row teaches: a program or SQL in the form in which a prompt would show it. */
  completion(fields: PromptFields, completion: string): string;
  /** What the compiler is to check; undefined when the answer holds no code. */
  assemble(fields: PromptFields, completion: string): CheckableText | undefined;
  /** Whether the prompt decides what the answer gives, so that execution can judge any answer. */
  determined(row: Row): boolean;
  /** As in `TaskFormat`; without it columns have their places. */
  columnsAreOpen?: TaskFormat["columnsAreOpen"];
  /** An answer that takes nothing of the prompt but a table's name, and that in quotes where SQL wants them. */
  constant(table: string, quoted: string): string;
  /** As in `TaskFormat`; without it there is none. */
  reference?: TaskFormat["reference"];
  facts?: TaskFormat["facts"];
  nextIdentifier?: TaskFormat["nextIdentifier"];
  claims(row: Row): Claims;
}

/** Neither stands in a program as it is taught; a model that was not taught to end its answers goes on with them. */
export const CODE_STOPS = ["\n\n", "\n#"];

export const program = (text: string): string => normalisePython(unixLines(text));
export const sql = (text: string, dialect?: string): string => normaliseSql(unixLines(text), dialect);

/** Of tasks whose answers are programs. */
export const PROGRAM_ANSWER = {
  completion: (_: PromptFields, completion: string): string => program(completion),
  assemble: (_: PromptFields, completion: string): CheckableText => ({
    language: "dsl",
    text: completion.trim(),
  }),
  determined: () => true,
  constant: (table: string) => table,
} as const;
