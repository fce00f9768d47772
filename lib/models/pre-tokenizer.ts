/**
 * What the JavaScript port of Hugging Face's tokenizers does otherwise than the Rust library, whose ids a model was
 * trained on, said in words that mean the same to both.
 */

export type PreTokenizer = Record<string, unknown> & { type: string };

/** GPT-2's cut into words, numbers, signs and white space, in Unicode's own classes. */
const BYTE_LEVEL_PATTERN = [
  "'(?:s|t|re|ve|m|ll|d)",
  " ?\\p{L}+",
  " ?\\p{N}+",
  " ?[^\\p{White_Space}\\p{L}\\p{N}]+",
  "\\p{White_Space}+(?!\\P{White_Space})",
  "\\p{White_Space}+",
].join("|");

function split(pattern: string): PreTokenizer {
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
}

/** Keeps what the pattern matches and drops the rest. */
function keep(pattern: string): PreTokenizer {
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Removed", invert: true };
}

/** Unicode's punctuation, and all of ASCII's signs. */
const PUNCTUATION = "[\\p{P}!-/:-@\\[-`{-~]";

/**
 * Says in Unicode's classes what the JavaScript library would read with JavaScript's, unlike the Rust library whose ids
 * count: `Digits` are all numbers (`char::is_numeric`), not ASCII digits, words have letters of every script, and white
 * space has U+0085 but not U+FEFF. `Punctuation` is cut sign by sign, unless it says `Contiguous`.
 */
function inUnicodeClasses(preTokenizer: PreTokenizer): PreTokenizer {
  switch (preTokenizer.type) {
    case "Digits":
      return split(preTokenizer.individual_digits === true ? "\\p{N}" : "\\p{N}+");
    case "Punctuation":
      return split(preTokenizer.behavior === "Contiguous" ? `${PUNCTUATION}+` : PUNCTUATION);
    case "Whitespace":
      return keep("\\w+|[^\\w\\s]+");
    case "WhitespaceSplit":
      return keep("\\S+");
    case "ByteLevel":
      // A space that is put before the text must be there before the split.
      if (preTokenizer.use_regex === false || preTokenizer.add_prefix_space === true) return preTokenizer;
      return {
        type: "Sequence",
        pretokenizers: [split(BYTE_LEVEL_PATTERN), { ...preTokenizer, use_regex: false }],
      };
    case "Sequence":
      return {
        ...preTokenizer,
        pretokenizers: (preTokenizer.pretokenizers as PreTokenizer[]).map(inUnicodeClasses),
      };
    default:
      return preTokenizer;
  }
}

/** GPT-2's stand-ins for the bytes 0–255: printable characters for themselves, the rest from U+0100 on. */
function byteCharacters(): string[] {
  const printable = (byte: number): boolean =>
    (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad && byte <= 0xff);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

function cutsBytes(preTokenizer: PreTokenizer): boolean {
  return (
    preTokenizer.type === "ByteLevel" ||
    (preTokenizer.type === "Sequence" && (preTokenizer.pretokenizers as PreTokenizer[]).some(cutsBytes))
  );
}

/**
 * Bytes that the vocabulary lacks vanish in the Rust library before the merges, so that their neighbours may merge; in
 * the JavaScript one after them. Taken out between cut and merges, they vanish alike.
 */
function withoutMissingBytes(preTokenizer: PreTokenizer, model: Model): PreTokenizer {
  if (model.type !== "BPE" || model.unk_token != null || !cutsBytes(preTokenizer)) return preTokenizer;
  const missing = byteCharacters().filter((character) => !Object.hasOwn(model.vocab, character));
  if (missing.length === 0) return preTokenizer;
  const escaped = missing.map((character) => `\\x{${character.charCodeAt(0).toString(16)}}`).join("");
  const removal = { type: "Replace", pattern: { Regex: `[${escaped}]` }, content: "" };
  return { type: "Sequence", pretokenizers: [preTokenizer, removal] };
}

interface Model {
  readonly type: string;
  readonly vocab: Record<string, number>;
  readonly unk_token?: unknown;
}

/** The pre-tokenizer under which the JavaScript library gives the Rust library's ids. */
export function asInRust(preTokenizer: PreTokenizer | null, model: Model): PreTokenizer | null {
  return preTokenizer === null ? null : withoutMissingBytes(inUnicodeClasses(preTokenizer), model);
}
