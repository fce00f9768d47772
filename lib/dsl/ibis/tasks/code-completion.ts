/** A beginning of a program, which goes on. */
import { firstFence } from "../../text/fences.js";
import { unixLines } from "../../text/lines.js";
import { normalisePython, normalisePythonPrefix } from "../../text/python.js";
import { identifierAfter, saysIntent } from "./completion.js";
import { CODE_STOPS, type IbisTask } from "./task.js";

// A comment above may say what is wanted.
const COMMENTS = { comments: true };
const input = (text: string): string => normalisePythonPrefix(unixLines(text), COMMENTS);

export const CODE_COMPLETION: IbisTask = {
  template: { prompt: "# {schema}\n# Complete:\n{input}", stop: CODE_STOPS },
  fields(text) {
    const fence = firstFence(text);
    return { input: fence?.closed === false && fence.before.trim() === "" ? fence.code : text };
  },
  input,
  completion(fields, completion) {
    // Only together with what stands before is it clear what the completion's line ends mean.
    const before = input(fields.input);
    const whole = normalisePython(unixLines(fields.input + completion), COMMENTS);
    return whole.startsWith(before) ? whole.slice(before.length) : unixLines(completion).trimEnd();
  },
  assemble: (fields, completion) => ({ language: "dsl", text: (fields.input + completion).trim() }),
  // A program goes on as its writer likes, unless a comment says how or nothing but brackets is missing.
  determined: ({ fields, completion }) => saysIntent(fields.input) || /^[\s)\]}]+$/.test(completion),
  // A comment is in the words of people.
  columnsAreOpen: ({ fields }) => saysIntent(fields.input),
  nextIdentifier: ({ fields }, answer) => identifierAfter(fields.input, answer),
  constant: () => "",
  claims: ({ fields, completion }) => ({ program: (fields.input + completion).trim() }),
};
