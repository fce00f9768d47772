/**
 * Most words of a corpus come again and again. Once a text has been cut, what becomes of a piece in a byte-level BPE is
 * the piece's own affair, so that its tokens are kept.
 */
import type { PreTokenizer } from "./pre-tokenizer.js";

type Cut = (text: string, options?: object) => string[];

/** What is used of the library's tokenizer. */
export interface CachedParts {
  pre_tokenizer: Cut | null;
  model: { encode(pieces: string[]): string[] } | null;
}

/** Pieces kept, and the longest of them: longer ones seldom come again. */
const MOST_PIECES = 1 << 16;
const LONGEST_PIECE = 64;

const steps = (part: PreTokenizer): PreTokenizer[] =>
  part.type === "Sequence" ? (part.pretokenizers as PreTokenizer[]).flatMap(steps) : [part];
const sequence = (pretokenizers: PreTokenizer[]): PreTokenizer => ({ type: "Sequence", pretokenizers });

/**
 * A pre-tokenizer in two parts: what cuts a text, and what each piece then becomes whatever stands around it. Undefined
 * where it is of another form.
 */
export function cutAndSpell(
  preTokenizer: PreTokenizer | null,
): { cut: PreTokenizer; spell: PreTokenizer } | undefined {
  const all = preTokenizer === null ? [] : steps(preTokenizer);
  const first = all.findIndex(({ type }) => type !== "Split");
  const spelling = all.slice(first);
  const alone = spelling.every(
    ({ type, use_regex }) => type === "Replace" || (type === "ByteLevel" && use_regex === false),
  );
  if (first <= 0 || !alone) return undefined;
  return { cut: sequence(all.slice(0, first)), spell: sequence(spelling) };
}

/** Lets a model take the pieces of a text as they are cut, spell them, and keep their tokens. */
export function keepPieces(model: NonNullable<CachedParts["model"]>, spell: Cut): void {
  const kept = new Map<string, readonly string[]>();
  const encode = model.encode.bind(model);
  model.encode = (pieces) => {
    const tokens: string[] = [];
    for (const piece of pieces) {
      let own = kept.get(piece);
      if (own === undefined) {
        own = encode(spell(piece));
        if (piece.length <= LONGEST_PIECE) {
          if (kept.size >= MOST_PIECES) kept.clear();
          kept.set(piece, own);
        }
      }
      for (const token of own) tokens.push(token);
    }
    return tokens;
  };
}
