import { describe, expect, it } from "vitest";

import { Random } from "../data/random.js";
import { compileLinear } from "./linear-pattern.js";
import { PatternScanner } from "./pattern-scanner.js";

const scannerOf = (pattern: string): PatternScanner => new PatternScanner(compileLinear(pattern));

/** The matches and what lies between them, matches in angle brackets. */
function pieces(scanner: PatternScanner, text: string): string[] {
  const found: string[] = [];
  scanner.scan(text, (start, end, matched) => {
    const piece = text.slice(start, end);
    found.push(matched ? `<${piece}>` : piece);
  });
  return found;
}

function piecesOfRegExp(pattern: RegExp, text: string): string[] {
  const found: string[] = [];
  let last = 0;
  for (const { 0: piece, index } of text.matchAll(pattern)) {
    if (index > last) found.push(text.slice(last, index));
    found.push(`<${piece}>`);
    last = index + piece.length;
  }
  if (last < text.length) found.push(text.slice(last));
  return found;
}

const ATOMS = ["a", "b", "\\n", "[ab]", "[^a]", "\\p{L}", "\\p{Lu}", " ", "\\p{N}", ".", "😀"];
const LOOKS = ["(?!a)", "(?=[ab])", "(?!\\p{L})"];
const QUANTIFIERS = ["", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{2,}?"];

function randomPattern(random: Random, depth: number): string {
  const pick = (list: readonly string[]): string => list[random.below(list.length)] as string;
  const branches = Array.from({ length: 1 + random.below(3) }, () =>
    Array.from({ length: 1 + random.below(3) }, () => {
      if (random.below(8) === 0) return pick(LOOKS);
      const atom =
        depth > 0 && random.below(4) === 0 ? `(?:${randomPattern(random, depth - 1)})` : pick(ATOMS);
      return atom + pick(QUANTIFIERS);
    }).join(""),
  );
  return branches.join("|");
}

describe("PatternScanner", () => {
  it("finds what JavaScript's engine finds", () => {
    const random = Random.of(1, "patterns");
    let compared = 0;
    for (let i = 0; i < 1500; i++) {
      const pattern = randomPattern(random, 2);
      let scanner: PatternScanner;
      try {
        scanner = scannerOf(pattern);
      } catch {
        continue;
      }
      for (let j = 0; j < 4; j++) {
        const text = Array.from(
          { length: random.below(24) },
          () => "aabbA \n1😀\ud800"[random.below(11)],
        ).join("");
        // A surrogate without its other half is U+FFFD here.
        const whole = text.replace(/\p{Cs}/gu, "\ufffd");
        const expected = piecesOfRegExp(new RegExp(pattern, "gu"), whole);
        expect(
          pieces(scanner, text).map((piece) => piece.replace(/\p{Cs}/gu, "\ufffd")),
          pattern,
        ).toEqual(expected);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(1500);
  });

  it("reads white space, digits and folded letters as Rust does", () => {
    expect(pieces(scannerOf("\\s+"), "a\u0085\ufeffb")).toEqual(["a", "<\u0085>", "\ufeffb"]);
    expect(pieces(scannerOf("\\d+|(?i:'s)"), "x٣4'S½")).toEqual(["x", "<٣4>", "<'S>", "½"]);
    expect(pieces(scannerOf("[\\]\\-^]+|\\x41|\\x{1F600}"), "]-^A😀")).toEqual(["<]-^>", "<A>", "<😀>"]);
  });

  it.each([
    ["looks far ahead for nothing", "a*b|a", "a".repeat(300_000)],
    ["looks far ahead for nothing at all", "a+b", "a".repeat(300_000)],
    ["repeats what repeats", "(?:a+)+b|a", "a".repeat(300_000)],
    ["has as many ways as a cube", "\\s*\\s*\\s*x|\\s", " ".repeat(300_000)],
    ["has more states than are kept", "(?:a|b)*a(?:a|b){14}c|[ab]", "abbabaab".repeat(10_000)],
  ])("is linear where a pattern %s", (_, pattern, text) => {
    const found: number[] = [];
    const { user } = process.cpuUsage();
    scannerOf(pattern).scan(text, (start, end) => found.push(end - start));
    expect(found.reduce((sum, length) => sum + length)).toBe(text.length);
    // Some tenths of a second; a square of the length would be 4.5e10 steps.
    expect((process.cpuUsage().user - user) / 1e6).toBeLessThan(20);
  });

  it.each([
    ["a*", /a match of no character/],
    ["(?<=a)b", /\(\?<= at character 0/],
    ["(?!ab)c", /a lookahead of other than one character/],
    ["a\\b", /\\b at character 1/],
    ["(a)\\1", /\\1 at character 3/],
    ["a++", /\+\+ at character 1/],
    ["a**", /a quantifier of a quantifier/],
    ["(a?|b)*c", /\* after what may match nothing/],
    ["[a&&b]", /a class within a class/],
    ["[a", /a class without its end/],
    ["\\p{No_such}", /No_such/],
    ["[b-a]", /\[b-a\]/],
    ["a{3,2}", /\{3,2\}/],
    ["(?:a{1000}){1000}", /too many repetitions/],
    [`${"(".repeat(200)}a`, /nested too deep/],
    ["a)", /\) at character 1/],
  ])("refuses %s by name", (pattern, message) => {
    expect(() => compileLinear(pattern)).toThrow(message);
  });
});
