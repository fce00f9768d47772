/**
 * Regular expressions of files that somebody else wrote: JavaScript tries all ways to match, and some patterns have more of
 * them than a machine can try. Those are told by their form, so that no text needs to be tried.
 */

/** Repetitions of more than this many lengths count. */
const FEW = 1;

const QUANTIFIER = /(?:[*+?]|\{(\d*)(,?)(\d*)\})[?+]?/y;

/** What a pattern repeats; `nested` where a repeated part can itself be read in several ways. */
export interface Repetitions {
  count: number;
  nested: boolean;
}

/** Repetitions of open length in a pattern of JavaScript or Python. */
export function repetitionsIn(pattern: string): Repetitions {
  const result: Repetitions = { count: 0, nested: false };
  // Of each open group, and of the pattern itself: whether it may be read in several ways.
  const groups = [false];
  let at = 0;
  while (at < pattern.length) {
    const character = pattern[at];
    let atomIsOpen = false;
    if (character === "\\") at += 2;
    else if (character === "[") at = classEnd(pattern, at);
    else if (character === "(") {
      groups.push(false);
      at++;
      continue;
    } else if (character === ")") {
      atomIsOpen = groups.length > 1 && (groups.pop() as boolean);
      if (atomIsOpen) groups[groups.length - 1] = true;
      at++;
    } else {
      if (character === "|" && groups.length > 1) groups[groups.length - 1] = true;
      at++;
    }
    QUANTIFIER.lastIndex = at;
    const quantifier = QUANTIFIER.exec(pattern);
    if (quantifier === null) continue;
    at = QUANTIFIER.lastIndex;
    const lengths = lengthsOf(quantifier);
    if (lengths > 1) groups[groups.length - 1] = true;
    if (lengths - 1 <= FEW) continue;
    result.count++;
    result.nested ||= atomIsOpen;
  }
  return result;
}

/** How many lengths a quantifier allows for. */
function lengthsOf([whole, least = "", comma, most = ""]: RegExpExecArray): number {
  if (whole.startsWith("?")) return 2;
  if (!whole.startsWith("{")) return Infinity;
  if (comma !== ",") return 1;
  return most === "" ? Infinity : Number(most) - Number(least) + 1;
}

function classEnd(pattern: string, start: number): number {
  let at = start + 1;
  while (at < pattern.length && pattern[at] !== "]") at += pattern[at] === "\\" ? 2 : 1;
  return at + 1;
}
