/** Questions and documentation: prose, with code behind a mark. */
import type { PromptFields, Row } from "../../../data/tasks.js";
import { IBertError } from "../../../errors.js";
import { unfenced } from "../../text/fences.js";
import { unixLines } from "../../text/lines.js";
import { definesFunction, DOCSTRING_STYLES, documentedParameters, parametersOf } from "./docstring.js";
import { program, type Claims, type IbisTask } from "./task.js";

/** The first line that marks code inside prose, as in Python's own documentation. */
export const CODE_MARK = ">>> ";

/** What marks the lines that go on with a statement. */
const GOES_ON = "... ";

/** A program as an interactive session shows it: each statement behind a mark, and what goes on with it behind another. */
export const markCode = (program: string): string =>
  program
    .split("\n")
    .map((line) => (/^\s/.test(line) ? GOES_ON : CODE_MARK) + line)
    .join("\n");

/**
 * The code of a text: its first `>>> ` line and those below that go on with it, else the first fenced block. A text that
 * is nothing but code may leave the marks of later lines out.
 */
export function codeIn(text: string): string | undefined {
  const lines = text.split("\n").map((line) => ({ line, bare: line.trimStart() }));
  const first = lines.findIndex(({ bare }) => bare.startsWith(CODE_MARK));
  if (first < 0) return /```(?:\w*)\n([\s\S]*?)```/.exec(text)?.[1]?.trim();
  const onlyCode = lines.slice(0, first).every(({ bare }) => bare === "");
  const code: string[] = [];
  for (const { line, bare } of lines.slice(first)) {
    if (bare.startsWith(CODE_MARK) || bare.startsWith(GOES_ON)) code.push(bare.slice(CODE_MARK.length));
    else if (bare === GOES_ON.trim()) code.push("");
    else if (onlyCode && bare !== "") code.push(line);
    else break;
  }
  return code.join("\n").trim();
}

/** Names of functions with their class or module, and what stands in backquotes, before any code. */
const FUNCTION_NAMES = /\b((?:[A-Z]\w*|ibis)\.[a-z_]\w*)/g;
const QUOTED_NAMES = /`([^`\n]+)`/g;

const namesIn = (prose: string, pattern: RegExp): string[] =>
  [...(prose.split(CODE_MARK)[0] ?? "").matchAll(pattern)].map(([, name = ""]) => name);

/** The functions that an answer names, else the names in quotes. */
function namedFacts({ completion }: Row, answer: string): ReturnType<NonNullable<IbisTask["facts"]>> {
  // Quotes beside functions are of their summaries, which may be put in other words.
  const pattern = [FUNCTION_NAMES, QUOTED_NAMES].find((one) => namesIn(completion, one).length > 0);
  return pattern && { due: namesIn(completion, pattern), named: namesIn(answer, pattern) };
}

function proseClaims(completion: string): Claims {
  const code = codeIn(completion);
  const claims = code === undefined ? {} : { program: code };
  if (completion.startsWith(CODE_MARK)) return claims;
  return { ...claims, prose: completion.split(`\n${CODE_MARK}`)[0] ?? "" };
}

const PROSE_ANSWER = {
  completion: (_: PromptFields, completion: string): string => unixLines(completion).trimEnd(),
  constant: (table: string): string => CODE_MARK + table,
} as const;

export const QA: IbisTask = {
  ...PROSE_ANSWER,
  template: {
    prompt: "# {schema}\n# Question: {input}\n# Answer:\n",
    stop: ["\n# Question:", "\n# Answer:"],
  },
  fields: (text) => ({ input: text }),
  input: (text) => unixLines(text).trim(),
  assemble(_, completion) {
    const code = codeIn(completion);
    return code === undefined ? undefined : { language: "dsl", text: code };
  },
  // The words of a question that was made from a program; other examples may be any.
  determined: ({ completion }) => completion.startsWith(CODE_MARK),
  columnsAreOpen: () => true,
  facts: namedFacts,
  claims: ({ completion }) => proseClaims(completion),
};

const isOwn = ({ input }: PromptFields): boolean => definesFunction(input);

export const FUNCTION_DOCUMENTATION: IbisTask = {
  ...PROSE_ANSWER,
  template: {
    prompt: "# {schema}\n# Style: {style}\n# Function: {input}\n# Documentation:\n",
    stop: ["\n# Function:", "\n# Documentation:"],
  },
  fields(text, { style }) {
    if (style !== undefined && !(DOCSTRING_STYLES as readonly string[]).includes(style)) {
      throw new IBertError(
        "option-invalid",
        `function_documentation: there is no docstring style ${JSON.stringify(style)}`,
        {
          hint: `The styles are: ${DOCSTRING_STYLES.join(", ")}.`,
        },
      );
    }
    return { input: unfenced(text), ...(style === undefined ? {} : { style }) };
  },
  input: program,
  assemble(fields, completion) {
    const code = codeIn(completion);
    if (code === undefined) return undefined;
    // An example calls the function that it documents.
    return { language: "dsl", text: isOwn(fields) ? `${fields.input}\n${code}` : code };
  },
  determined: () => false,
  facts: (row, answer) =>
    isOwn(row.fields)
      ? { due: parametersOf(row.fields.input), named: documentedParameters(answer) }
      : namedFacts(row, answer),
  claims({ fields, completion }) {
    if (!isOwn(fields)) return proseClaims(completion);
    const code = codeIn(completion);
    return { ...(code === undefined ? {} : { program: `${fields.input}\n${code}` }), docstring: completion };
  },
};
