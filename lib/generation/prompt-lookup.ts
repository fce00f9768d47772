/** Longest run of tokens that is looked for. */
const LONGEST = 4;
/** Shortest one that is believed. */
const SHORTEST = 2;

/**
 * A guess at what follows `tokens`: what followed the last few of them where they stood before, the latest place first
 * and the longest match preferred ("prompt lookup", Saxena 2023). Answers repeat their prompts (names of tables and
 * columns, the program to mend), so the guess is often right; it costs no second model.
 */
export function promptLookup(tokens: readonly number[], most: number): number[] {
  if (most < 1) return [];
  const end = tokens.length;
  let best = 0;
  let from = -1;
  for (let at = end - 1; at >= SHORTEST && best < LONGEST; at--) {
    // Tokens before `at` against the last ones.
    let length = 0;
    while (length < LONGEST && length < at && tokens[at - 1 - length] === tokens[end - 1 - length]) length++;
    if (length >= SHORTEST && length > best) {
      best = length;
      from = at;
    }
  }
  return from < 0 ? [] : tokens.slice(from, from + most);
}
