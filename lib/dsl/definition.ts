import type {
  AdmitRows,
  AuditRows,
  ExecuteAll,
  GiveTheSame,
  MakeRows,
  Refusal,
  RowSource,
  SourceOptions,
  WrittenRow,
} from "../data/source.js";
import type { TextForms } from "../data/naturalness.js";
import type { PromptFields, Row, TaskFormat, TaskType } from "../data/tasks.js";
import type { DslEngine, Schema } from "./dsl.js";

/** What a user asks of a model. */
export interface PromptRequest {
  prompt: string;
  schema?: Schema;
  /** Where a program is to be mended: the exception, if it is not the last line of the prompt. */
  error?: string;
  /** Where the prompt is SQL: the dialect that it is written in. */
  dialect?: string;
  /** Where a function is to be documented: the style of the docstring, of those that the DSL knows. */
  style?: string;
}

/** The public members of a DSL's API, without those that move data, and which of them programs of a corpus call. */
export interface ApiReach {
  /** Programs that were drawn. */
  programs: number;
  /** By what they belong to: a class, or the functions of a module. */
  owners: { owner: string; members: string[]; reached: string[] }[];
  /** Why no program calls a member; `barred` where none could. */
  missing: { member: string; reason: string; barred: boolean }[];
}

/** One DSL, whole: its compiler, its prompts and its corpus. A second DSL is a second implementation. */
export interface Dsl {
  readonly name: string;
  /** What its package is called, as `DslEngine.version` says it. */
  readonly packageName: string;
  /** Paths of the packages that the sandbox loads. @throws IBertError naming the one that is missing */
  packageFiles(): string[];
  createEngine(options?: { workers?: number }): DslEngine;
  /** Prompts as plain data, which an adapter carries along. */
  readonly defaultPrompts: unknown;
  /** How tasks are put to a model with these prompts (the defaults where absent). @throws IBertError */
  format(prompts?: unknown): TaskFormat;
  /** A request in the form that the model was trained on. */
  promptFields(task: TaskType, request: PromptRequest): PromptFields;
  /**
   * The task and the prompt that ask for a program which the compiler refused to be mended; undefined when there is no
   * program in the text.
   */
  repair(
    program: string,
    error: string,
    schema?: Schema,
  ): { task: TaskType; fields: PromptFields } | undefined;
  /** What must stand between a prefix as it was typed and its completion: a line break behind a comment, else nothing. */
  completionStart(prefix: string): string;
  /** What `program` adds to `prefix`, whose tokens it must begin with; undefined where it does not. */
  continuation(prefix: string, program: string): string | undefined;
  readonly profiles: readonly string[];
  /** How much of the DSL's API programs drawn for a corpus call. */
  apiReach(engine: DslEngine, options: { programs: number; seed: number }): Promise<ApiReach>;
  /** Computes anew what the rows of a corpus say; `same` judges SQL that people wrote. */
  rowAudit(engine: DslEngine, same?: GiveTheSame): AuditRows;
  /** How a row's code is written. */
  textForms(row: Row): TextForms[];
  /** The gates for rows that somebody wrote. */
  admit(engine: DslEngine): AdmitRows;
  /** Makes rows of what rules find in files; with `execute` of programs alone that run and whose result hangs on the tables. */
  makeRows(engine: DslEngine, execute?: ExecuteAll): MakeRows;
  /** Rows of human origin that the DSL's own packages hold, for measuring alone, and what was left out of them. */
  humanRows(): Promise<{ rows: WrittenRow[]; left: Refusal[] }>;
  /** Rows of a corpus. @throws IBertError `profile-unknown`; what is wrong with the user's tables */
  corpusSource(engine: DslEngine, options: SourceOptions): Promise<RowSource>;
}
