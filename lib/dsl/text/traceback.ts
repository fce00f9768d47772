/** A broken program and what Python said of it, taken apart. */

export interface Report {
  program: string;
  /** `ExceptionType: first line of the message` */
  error?: string;
}

/** `ValueError: …`, also with its module, or behind the `#` of a comment. */
const EXCEPTION =
  /^(?:#\s*)?((?:\w+\.)*(?:[A-Z]\w*(?:Error|Exception|Invalid|NotFound|Interrupt|Warning|Exit|Type|Registered|Iteration|Found)|[A-Z]\w*Error\w*)(?::.*)?)$/;
/** Under a traceback any name may be an exception's. */
const ANY_EXCEPTION = /^((?:\w+\.)*[A-Za-z_]\w*(?::.*)?)$/;
const HEADER = /^\s*(?:Traceback \(most recent call last\):|.*\bTraceback \(most recent call last\)\s*$)/;
const FRAME = /^\s*File "([^"]*)", line \d+/;
const RULE = /^-{20,}$/;
const CHAINED =
  /^(?:During handling of the above exception, another exception occurred|The above exception was the direct cause of the following exception):$/;
/** Frames of what the program calls, not of the program. */
const FOREIGN = /site-packages|dist-packages|<frozen |[/\\]lib[/\\]python/;
/** A frame of IPython: `Cell In[3], line 1`, and its source line `----> 1 t.agregate()`. */
const CELL_LINE = /^-+>\s*\d+\s(.*)$/;
/** A command at a shell's prompt. */
const SHELL = /^[$%] /;
const CARETS = /^\s*[~^]+\s*$/;

/**
 * Cuts what was pasted into program and exception: a program and under it an exception or a whole traceback (also
 * several, chained), an interactive session, or a traceback alone, whose lines of the program are then the program.
 */
export function splitReport(text: string): Report {
  const lines = text.split("\n");
  const start = lines.findIndex(
    (line, i) =>
      HEADER.test(line) || FRAME.test(line) || (RULE.test(line) && HEADER.test(lines[i + 1] ?? "")),
  );
  if (start < 0) return withoutTraceback(lines);
  const trace = lines.slice(start);
  const at = lastException(trace);
  const error = at < 0 ? undefined : (ANY_EXCEPTION.exec((trace[at] as string).trimEnd())?.[1] ?? undefined);
  const before = fromSession(lines.slice(0, start).filter((line) => !SHELL.test(line)));
  const shown = sourceLines(trace);
  const program = before.trim() !== "" ? before : (below(trace, at, shown) ?? shown);
  return error === undefined ? { program } : { program, error };
}

/** The line of a traceback that names its last exception. */
function lastException(trace: readonly string[]): number {
  let found = -1;
  let inFrames = true;
  for (const [i, line] of trace.entries()) {
    if (HEADER.test(line) || FRAME.test(line) || CHAINED.test(line.trim())) inFrames = true;
    else if (inFrames && line !== "" && !/^\s/.test(line) && ANY_EXCEPTION.test(line.trimEnd())) {
      found = i;
      // What follows is the message, until frames begin again.
      inFrames = false;
    }
  }
  return found;
}

/** A program that stands under a traceback, behind an empty line: known by the line of it that the traceback shows. */
function below(trace: readonly string[], exception: number, shown: string): string | undefined {
  const gap = exception < 0 ? -1 : trace.indexOf("", exception);
  const rest = gap < 0 ? "" : trace.slice(gap + 1).join("\n");
  if (rest.trim() === "") return undefined;
  const failing = shown.trim().split("\n")[0] as string;
  const isProgram =
    failing === "" ? /[().=[\]]/.test(rest) && !/^Expected signature/m.test(rest) : rest.includes(failing);
  return isProgram ? rest : undefined;
}

/** The lines of the program that a traceback shows: those of the innermost frame that is no library's. */
function sourceLines(trace: readonly string[]): string {
  let own: string[] = [];
  for (let i = 0; i < trace.length; i++) {
    const cell = CELL_LINE.exec(trace[i] as string);
    if (cell !== null && own.length === 0) own = [cell[1] as string];
    const frame = FRAME.exec(trace[i] as string);
    if (frame === null || FOREIGN.test(frame[1] as string)) continue;
    const source: string[] = [];
    for (
      let j = i + 1;
      j < trace.length && /^\s{4}/.test(trace[j] as string) && !FRAME.test(trace[j] as string);
      j++
    ) {
      if (!CARETS.test(trace[j] as string)) source.push(trace[j] as string);
    }
    if (source.length > 0) own = source;
  }
  return own.join("\n");
}

/** What was typed in an interactive session (`>>> ` and `... `), without what it printed; else the lines as they are. */
function fromSession(lines: readonly string[]): string {
  const typed = lines.filter((line) => /^(?:>>>|\.\.\.)(?: |$)/.test(line));
  return typed.some((line) => line.startsWith(">>>"))
    ? typed.map((line) => line.slice(4)).join("\n")
    : lines.join("\n");
}

/** A program with an exception as its last lines, or its first. */
function withoutTraceback(lines: readonly string[]): Report {
  const filled = lines.map((line, i) => (line.trim() === "" ? -1 : i)).filter((i) => i >= 0);
  if (filled.length < 2) return { program: fromSession(lines) };
  let at = -1;
  for (const i of filled) if (EXCEPTION.test((lines[i] as string).trim())) at = i;
  if (at < 0) return { program: fromSession(lines) };
  const error = EXCEPTION.exec((lines[at] as string).trim())?.[1] as string;
  const isFirst = at === filled[0];
  return { program: fromSession(isFirst ? lines.slice(at + 1) : lines.slice(0, at)), error };
}

/** `ExceptionType: message` of an error as it was given: a line, several, or a whole traceback. */
export function exceptionLine(error: string): string {
  const lines = error.trim().split("\n");
  if (!lines.some((line) => HEADER.test(line) || FRAME.test(line))) return (lines[0] as string).trim();
  const at = lastException(lines);
  return (at < 0 ? (lines.at(-1) as string) : (lines[at] as string)).trim();
}
