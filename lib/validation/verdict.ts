import { STAGES, type Verdict } from "../dsl/dsl.js";

/**
 * How many rungs of the ladder a text passed: 0 (does not parse) to 4 (compiles). Of a text that the sandbox refused only
 * the syntax is known.
 */
export function rungsPassed(verdict: Pick<Verdict, "stage" | "ok" | "refused">): number {
  if (verdict.refused === true) return verdict.stage === "parse" ? 0 : 1;
  return STAGES.indexOf(verdict.stage) + (verdict.ok ? 1 : 0);
}

/** Orders verdicts, the better first; equal ones keep their order in a stable sort. */
export function compareVerdicts(a: Verdict, b: Verdict): number {
  return rungsPassed(b) - rungsPassed(a);
}

/**
 * One verdict in words, with the line at fault and a mark under it:
 *
 *     names: AttributeError: 'Table' object has no attribute 'agregate'
 *       1 | t.agregate(n=_.count())
 *             ^^^^^^^^
 *
 * What the sandbox refused is `refused: …` in place of a rung.
 */
export function describeVerdict(text: string, verdict: Verdict): string {
  if (verdict.error === undefined) return `${verdict.stage}: passed`;
  const { type, message, position } = verdict.error;
  const head =
    verdict.refused === true
      ? `refused: ${type}: ${message} (ibert's sandbox refuses it; Python might run it)`
      : `${verdict.stage}: ${type}: ${message}`;
  const line = position === undefined ? undefined : text.split("\n")[position.line - 1];
  if (position === undefined || line === undefined) return head;
  // Columns count UTF-8 bytes; the mark goes under characters.
  const bytes = Buffer.from(line, "utf8");
  const start = bytes.subarray(0, position.column).toString("utf8").length;
  const endsHere = position.endLine === undefined || position.endLine === position.line;
  const end = endsHere
    ? bytes.subarray(0, position.endColumn ?? position.column + 1).toString("utf8").length
    : line.length;
  const gutter = `  ${position.line} | `;
  return `${head}\n${gutter}${line}\n${" ".repeat(gutter.length + start)}${"^".repeat(Math.max(end - start, 1))}`;
}
