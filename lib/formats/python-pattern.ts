/** Python's regular expressions as JavaScript's, as far as the names of modules need them. */
import { repetitionsIn } from "./pattern-cost.js";

/** More repetitions than this in one pattern, and a name may take seconds to be told from another. */
const MOST_REPETITIONS = 6;

/** A pattern that is wrong, or that JavaScript cannot say. */
export class PatternError extends Error {}

/** What JavaScript writes otherwise, or reads as something else without a word. */
const TOKENS =
  /\\(?<escape>[\s\S])|(?<classOpening>\[\^?\]?)|\(\?P<(?<group>\w+)>|(?<reference>\(\?P=)|\{,(?<most>\d+)\}/g;

function translated(pattern: string): string {
  let inClass = false;
  let result = "";
  let place = 0;
  const refuse = (what: string): never => {
    throw new PatternError(`${JSON.stringify(pattern)}: ${what} is not supported`);
  };
  const { count, nested } = repetitionsIn(pattern);
  if (nested) refuse("a repetition of what repeats or offers a choice");
  if (count > MOST_REPETITIONS) refuse(`repeating ${count} times (at most ${MOST_REPETITIONS})`);
  while (place < pattern.length) {
    if (inClass) {
      // Until the class closes only an escape is more than one character.
      const escaped = pattern[place] === "\\";
      result += pattern.slice(place, place + (escaped ? 2 : 1));
      inClass = pattern[place] !== "]";
      place += escaped ? 2 : 1;
      continue;
    }
    TOKENS.lastIndex = place;
    const match = TOKENS.exec(pattern);
    result += pattern.slice(place, match?.index ?? pattern.length);
    if (match === null) break;
    place = match.index + match[0].length;
    const { escape, classOpening, group, reference, most } = match.groups ?? {};
    if (escape === "A") result += "^";
    else if (escape === "Z") result += "$";
    else if (escape !== undefined && /[1-9]/.test(escape)) refuse("a reference to a group");
    else if (escape !== undefined) result += match[0];
    else if (reference !== undefined) refuse("a reference to a group");
    else if (group !== undefined) result += `(?<${group}>`;
    else if (most !== undefined) result += `{0,${most}}`;
    else if (classOpening !== undefined) {
      // A bracket that closes right away is a member in Python.
      result += classOpening.replace("]", "\\]");
      inClass = true;
    }
  }
  return result;
}

/**
 * A pattern of Python's `re` that matches from the start of a text.
 * @param whole to its end too, as `re.fullmatch` does; otherwise as `re.match` does
 * @throws PatternError
 */
export function pythonPattern(pattern: string, { whole }: { whole: boolean }): RegExp {
  const flags = /^\(\?([a-z]+)\)/.exec(pattern);
  const source = translated(pattern.slice(flags?.[0].length ?? 0));
  // "a" and "u" are about letters beyond ASCII, which no module's name has.
  const kept = (flags?.[1] ?? "").replace(/[au]/g, "");
  try {
    return new RegExp(`^(?:${source})${whole ? "$" : ""}`, kept);
  } catch (error) {
    throw new PatternError(`${JSON.stringify(pattern)}: ${(error as Error).message}`);
  }
}
