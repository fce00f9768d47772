/** The cuts of a `tokenizer.json` in linear time, in place of the library's, whose regular expressions backtrack. */
import { compileLinear, UnsupportedPattern } from "../formats/linear-pattern.js";
import { PatternScanner } from "../formats/pattern-scanner.js";
import type { PreTokenizer } from "./pre-tokenizer.js";

interface Step {
  scanner: PatternScanner;
  /** Whether what lies between matches is kept. */
  gaps: boolean;
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

function stepOf({ type, pattern, behavior, invert }: PreTokenizer): Step {
  const { Regex: regex, String: text } = (pattern ?? {}) as { Regex?: unknown; String?: unknown };
  const source = typeof regex === "string" ? regex : typeof text === "string" ? escaped(text) : undefined;
  const gaps = behavior === "Isolated" && invert !== true;
  const isRead = gaps || (behavior === "Removed" && invert === true);
  if (type !== "Split" || source === undefined || !isRead) throw new UnsupportedPattern(type);
  return { scanner: new PatternScanner(compileLinear(source)), gaps };
}

/**
 * What cuts a text at the patterns of one `Split` after another, isolated or with all else removed; undefined where a step
 * is another or has a pattern that is not read in linear time.
 */
export function linearCut(preTokenizer: PreTokenizer): ((text: string) => string[]) | undefined {
  const splits =
    preTokenizer.type === "Sequence" ? (preTokenizer.pretokenizers as PreTokenizer[]) : [preTokenizer];
  let steps: Step[];
  try {
    steps = splits.map(stepOf);
  } catch (error) {
    if (error instanceof UnsupportedPattern) return undefined;
    throw error;
  }
  return (text) =>
    steps.reduce(
      (pieces, { scanner, gaps }) => {
        const cut: string[] = [];
        for (const piece of pieces) {
          scanner.scan(piece, (start, end, matched) => {
            if (matched || gaps) cut.push(piece.slice(start, end));
          });
        }
        return cut;
      },
      [text],
    );
}
