/** What a user pasted, in the form that the model was trained on. */
import type { PromptFields, TaskType } from "../../data/tasks.js";
import { IBertError } from "../../errors.js";
import type { PromptRequest } from "../definition.js";
import type { Schema } from "../dsl.js";
import { firstFence, unfenced } from "../text/fences.js";
import { unixLines } from "../text/lines.js";
import { endsInComment, normalisePython, normalisePythonPrefix } from "../text/python.js";
import { exceptionLine, splitReport } from "../text/traceback.js";
import { normaliseInput } from "./prompts.js";

/**
 * The fields of a request's prompt. Fences around code go; of a report to be mended, program and exception stay.
 * @throws IBertError `prompt-empty`
 */
export function promptFieldsFromRequest(task: TaskType, request: PromptRequest): PromptFields {
  const text = unixLines(request.prompt);
  if (text.trim() === "") throw emptyPrompt(task, "the prompt is empty");
  const fields: PromptFields = { input: text };
  if (request.schema !== undefined) fields.schema = request.schema;
  switch (task) {
    case "error_resolution": {
      const { program, error } = splitFenced(text, request.error !== undefined);
      const given = request.error ?? error;
      if (given !== undefined) fields.error = shortError(given);
      fields.input = program;
      break;
    }
    case "code_completion": {
      // What the model writes goes on from what was typed, so that stays, comments and all.
      const fence = firstFence(text);
      fields.input = fence?.closed === false && fence.before.trim() === "" ? fence.code : text;
      return fields;
    }
    case "sql_to_ibis":
    case "ibis_to_sql":
      if (request.dialect !== undefined) fields.dialect = request.dialect;
      fields.input = unfenced(text);
      break;
    case "qa":
      break;
    default:
      fields.input = unfenced(text);
  }
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

/** A report whose program may stand in a fenced block, with the exception in it, around it or in one of its own. */
function splitFenced(text: string, errorIsGiven: boolean): { program: string; error?: string } {
  const fence = firstFence(text);
  if (fence === undefined) return splitReport(text);
  const inside = splitReport(fence.code);
  if (errorIsGiven || inside.error !== undefined) return inside;
  const around = [unfenced(fence.after.trim()), fence.before].map((part) => splitReport(`-\n${part}`).error);
  const error = around.find((found) => found !== undefined);
  return error === undefined ? inside : { ...inside, error };
}

function emptyPrompt(task: TaskType, problem: string): IBertError {
  return new IBertError("prompt-empty", `${task}: ${problem}`, { hint: "Give the text to work on." });
}

/** An exception as prompts show it: its type and the first line of its message, at most 120 characters. */
export function shortError(error: string): string {
  const line = exceptionLine(unixLines(error));
  return line.length > 120 ? `${line.slice(0, 117)}...` : line;
}
