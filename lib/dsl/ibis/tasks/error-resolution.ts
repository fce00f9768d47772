/** A broken program and its exception, which are mended. */
import { firstFence, unfenced } from "../../text/fences.js";
import { unixLines } from "../../text/lines.js";
import { exceptionLine, splitReport } from "../../text/traceback.js";
import { CODE_STOPS, program, PROGRAM_ANSWER, type IbisTask } from "./task.js";

/** An exception as prompts show it: its type and the first line of its message, at most 120 characters. */
export function shortError(error: string): string {
  const line = exceptionLine(unixLines(error));
  return line.length > 120 ? `${line.slice(0, 117)}...` : line;
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

export const ERROR_RESOLUTION: IbisTask = {
  ...PROGRAM_ANSWER,
  template: { prompt: "# {schema}\n# Broken: {input}\n# {error}\n# Fixed:\n", stop: CODE_STOPS },
  fields(text, request) {
    const report = splitFenced(text, request.error !== undefined);
    const error = request.error ?? report.error;
    return { input: report.program, ...(error === undefined ? {} : { error: shortError(error) }) };
  },
  input: program,
  claims: (row) => ({ program: row.completion, broken: row.fields.input }),
};
