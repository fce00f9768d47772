/** Reads of C++ what a regular expression cannot: arguments between brackets. */

const CLOSING = { "(": ")", "{": "}", "[": "]" };

/** Source without comments, of the same length, so that places and lines stay. */
export function withoutComments(source) {
  return source.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "));
}

export const lineOf = (source, at) => source.slice(0, at).split("\n").length;

/** What stands between the bracket at `at` and the one that closes it: `{ parts, end }`, split at commas, `end` behind it. */
export function bracketed(source, at) {
  const open = [CLOSING[source[at]]];
  const parts = [];
  let begin = at + 1;
  for (let i = begin; i < source.length; i++) {
    const sign = source[i];
    if (sign === '"') i = source.indexOf('"', i + 1);
    else if (CLOSING[sign] !== undefined) open.push(CLOSING[sign]);
    else if (sign === open.at(-1)) open.pop();
    else if (sign !== "," || open.length > 1) continue;
    if (open.length > 0 && !(sign === "," && open.length === 1)) continue;
    const text = source.slice(begin, i).trim();
    if (text !== "" || parts.length > 0) parts.push({ text, begin, end: i });
    begin = i + 1;
    if (open.length === 0) return { parts, end: i + 1 };
  }
  throw new Error(`line ${lineOf(source, at)}: a ${source[at]} that nothing closes`);
}
