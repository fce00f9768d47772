import { describe, expect, it } from "vitest";

import { Random } from "../data/random.js";
import { cutAtStop } from "../data/tasks.js";
import { AnswerText } from "./answer-text.js";

/** One token a byte. */
const bytes = { decode: (ids: ArrayLike<number>) => Buffer.from(Array.from(ids)).toString("utf8") };

/** What is shown after each token, and in the end. */
function shown(text: string | readonly number[], stops: readonly string[]): string[] {
  const answer = new AnswerText(bytes, stops);
  const seen: string[] = [];
  for (const id of typeof text === "string" ? Buffer.from(text) : text) {
    const ended = answer.push(id);
    seen.push(answer.text);
    if (ended) break;
  }
  return [...seen, answer.end()];
}

describe("AnswerText", () => {
  it("shows whole characters only", () => {
    expect(shown("a\u{1f525}b", [])).toEqual([
      "a",
      "a",
      "a",
      "a",
      "a\u{1f525}",
      "a\u{1f525}b",
      "a\u{1f525}b",
    ]);
    expect(shown([...Buffer.from("a\u{1f525}b")].slice(0, 3), [])).toEqual(["a", "a", "a", "a"]);
  });

  it("shows nothing of a stop text, and all that only began like one", () => {
    expect(shown("a\n\n#b", ["\n\n#"])).toEqual(["a", "a", "a", "a", "a"]);
    expect(shown("a\n\nb", ["\n\n#"])).toEqual(["a", "a", "a", "a\n\nb", "a\n\nb"]);
    expect(shown("a\n\n", ["\n\n#"])).toEqual(["a", "a", "a", "a\n\n"]);
    // The beginning of one within the beginning of another.
    expect(shown("aababc", ["ababx", "abc"]).at(-1)).toBe("aab");
  });

  it("ends at the first stop text, as a cut of the whole text does", () => {
    const random = Random.of(3, "test");
    const below = (limit: number): number => Math.floor(random.float() * limit);
    const letters = ["a", "b", "\n", "\u00e9"];
    const word = (length: number): string => Array.from({ length }, () => letters[below(4)]).join("");
    for (let round = 0; round < 500; round++) {
      const stops = Array.from({ length: below(4) }, () => word(1 + below(4)));
      const text = word(1 + below(40));
      const seen = shown(text, stops);
      const whole = seen.at(-1) as string;
      const places = stops
        .map((stop) => text.indexOf(stop) + stop.length)
        .filter((_, i) => text.includes(stops[i] as string));
      // Generation ends where the first stop text is complete.
      const end = places.length === 0 ? text.length : Math.min(...places);
      expect(whole).toBe(cutAtStop(text.slice(0, end), stops));
      for (const part of seen) expect(whole.startsWith(part)).toBe(true);
    }
  });
});
