/** What a user pasted, in the form that the model was trained on. */
import { continuesPrompt, type PromptFields, type TaskType } from "../../../data/tasks.js";
import { IBertError } from "../../../errors.js";
import type { PromptRequest } from "../../definition.js";
import type { Schema } from "../../dsl.js";
import { unixLines } from "../../text/lines.js";
import { endsInComment, normalisePython, normalisePythonPrefix } from "../../text/python.js";
import { normaliseInput } from "./prompts.js";
import { shortError } from "./error-resolution.js";
import { TASKS } from "./index.js";

/**
 * The fields of a request's prompt. Fences around code go; of a report to be mended, program and exception stay.
 * @throws IBertError `prompt-empty`
 */
export function promptFieldsFromRequest(task: TaskType, request: PromptRequest): PromptFields {
  const text = unixLines(request.prompt);
  if (text.trim() === "") throw emptyPrompt(task, "the prompt is empty");
  const fields = TASKS[task].fields(text, request);
  if (request.schema !== undefined) fields.schema = request.schema;
  // What the model writes goes on from what was typed, so that stays, comments and all.
  if (continuesPrompt(task)) return fields;
  fields.input = normaliseInput(task, fields.input, fields.dialect);
  if (fields.input === "")
    throw emptyPrompt(task, "the prompt holds nothing but comments, fences or a traceback");
  return fields;
}

/** The fields for a program that the compiler refused with `error`; undefined for a text that holds no program. */
export function fieldsOfRepair(program: string, error: string, schema?: Schema): PromptFields | undefined {
  const input = normaliseInput("error_resolution", program);
  if (input === "") return undefined;
  return { input, error: shortError(error), ...(schema === undefined ? {} : { schema }) };
}

export const completionStart = (prefix: string): string => (endsInComment(unixLines(prefix)) ? "\n" : "");

export function continuation(prefix: string, program: string): string | undefined {
  const typed = normalisePythonPrefix(unixLines(prefix));
  const whole = normalisePython(unixLines(program));
  const head = typed.trimEnd();
  if (!whole.startsWith(head)) return undefined;
  const rest = whole.slice(head.length);
  if (completionStart(prefix) !== "") return `\n${rest.trimStart()}`;
  // The space before it is there already.
  return typed === head ? rest : rest.trimStart();
}

function emptyPrompt(task: TaskType, problem: string): IBertError {
  return new IBertError("prompt-empty", `${task}: ${problem}`, { hint: "Give the text to work on." });
}
