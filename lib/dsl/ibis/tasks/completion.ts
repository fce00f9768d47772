/** Programs cut where their writer may have stopped, behind what says how they go on. */
import type { Random } from "../../../data/random.js";
import { lexPython } from "../../text/python-lexer.js";

/** Where a text is cut: before its first step, behind a dot, a step or within an argument, or within a name. */
export type CutKind = "start" | "dot" | "step" | "argument" | "name";

export interface Cut {
  at: number;
  kind: CutKind;
}

/** Letters of a name from which on there is something to guess. */
const SHORTEST_NAME = 4;

const OPERATORS = new Set(["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "&", "|", "="]);

/** The places at which a program may be cut, in their order; within a name it is one, which `within` chooses. */
export function cutsOf(program: string, within: (letters: number) => number): Cut[] {
  const pieces = lexPython(program);
  const cuts: Cut[] = [];
  let at = 0;
  let depth = 0;
  pieces.forEach(({ kind, text }, i) => {
    const start = at;
    at += text.length;
    const next = pieces[i + 1];
    if (next === undefined) return;
    const behind = next.kind === "space" ? at + next.text.length : at;
    const add = (place: number, cut: CutKind): void => void cuts.push({ at: place, kind: cut });
    if (
      kind === "name" &&
      text.length >= SHORTEST_NAME &&
      start > 0 &&
      /[.("]/.test(program[start - 1] ?? "")
    ) {
      add(start + within(text.length), "name");
    }
    if (kind !== "operator") return;
    if (text === ".") add(at, "dot");
    else if (text === "(" || text === "[") {
      depth++;
      if (next.text !== ")" && next.text !== "]") add(at, "argument");
    } else if (text === ")" || text === "]") {
      if (--depth === 0 && next.text === ".") add(at, "step");
    } else if (depth > 0 && (text === "," || OPERATORS.has(text))) add(behind, "argument");
  });
  return cuts;
}

/** Names for the table that a program's first steps give. */
const STEP_NAMES = ["step", "rows", "base", "result", "kept"];

/** The program with its first steps under a name of their own; as it is where it has too few. */
export function inTwoStatements(random: Random, program: string, taken: ReadonlySet<string>): string {
  const steps = cutsOf(program, () => 1).filter(({ kind }) => kind === "step");
  const names = STEP_NAMES.filter((name) => !taken.has(name));
  if (steps.length === 0 || names.length === 0) return program;
  const { at } = random.pick(steps);
  const name = random.pick(names);
  return `${name} = ${program.slice(0, at)}\n${name}${program.slice(at)}`;
}

export interface Completion {
  input: string;
  completion: string;
  kind: CutKind;
}

/**
 * A beginning and how it goes on; undefined where there is nowhere to cut. With an intent, which stands above as a
 * comment, any place will do; without one the first step must be there, and what follows is one of many ways to go on.
 */
export function completionOf(random: Random, program: string, intent?: string): Completion | undefined {
  const comment = intent === undefined ? "" : `# ${intent}\n`;
  if (intent !== undefined && random.chance(0.1)) {
    return { input: comment, completion: program, kind: "start" };
  }
  const last = program.lastIndexOf("\n") + 1;
  const cuts = cutsOf(program, (letters) => random.between(2, letters - 1)).filter(({ at }) => at > last);
  const [first, ...others] = cuts;
  const usable = intent === undefined ? others : cuts;
  // The first dot says nothing yet of what is wanted.
  const cut = intent === undefined && random.chance(0.05) ? first : pickByKind(random, usable);
  if (cut === undefined) return undefined;
  return { input: comment + program.slice(0, cut.at), completion: program.slice(cut.at), kind: cut.kind };
}

/** A kind first: there are more arguments than steps. */
function pickByKind(random: Random, cuts: readonly Cut[]): Cut | undefined {
  const kinds = [...new Set(cuts.map(({ kind }) => kind))];
  if (kinds.length === 0) return undefined;
  const kind = random.pick(kinds);
  return random.pick(cuts.filter((cut) => cut.kind === kind));
}

/** Whether a beginning says above, in a comment, what is wanted. */
export const saysIntent = (input: string): boolean => /^\s*#[ ]*\S/m.test(input);

/**
 * The first identifier that ends beyond a beginning, once the rest is added: a name, whole where the cut is within it, or
 * a string that holds nothing but one, as column names do. Undefined where the rest adds none.
 */
export function identifierAfter(input: string, rest: string): string | undefined {
  let end = 0;
  for (const { kind, text } of lexPython(input + rest)) {
    end += text.length;
    if (end <= input.length) continue;
    const name =
      kind === "name" ? text : kind === "string" ? /^(["'])([^"']+)\1$/.exec(text)?.[2] : undefined;
    if (name !== undefined) return name;
  }
  return undefined;
}
