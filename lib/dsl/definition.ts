import type { RowSource } from "../data/source.js";
import type { PromptFields, TaskFormat, TaskType } from "../data/tasks.js";
import type { DslEngine, Schema } from "./dsl.js";

/** What a user asks of a model. */
export interface PromptRequest {
  prompt: string;
  schema?: Schema;
  /** `error_resolution`: the exception, if it is not the last line of the prompt. */
  error?: string;
  /** `sql_to_ibis`: the dialect that the SQL is written in. */
  dialect?: string;
}

/** One DSL, whole: its compiler, its prompts and its corpus. A second DSL is a second implementation. */
export interface Dsl {
  readonly name: string;
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
   * The prompt that asks for a program which the compiler refused to be mended (`error_resolution`); undefined when there
   * is no program in the text.
   */
  repairFields(program: string, error: string, schema?: Schema): PromptFields | undefined;
  readonly profiles: readonly string[];
  corpusSource(engine: DslEngine, options: { seed: number; profile: string }): Promise<RowSource>;
}
