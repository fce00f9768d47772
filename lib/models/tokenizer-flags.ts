/** What a `tokenizer.json` may ask for and the JavaScript library would pass over, giving other ids than the model knows. */
import { IBertError } from "../errors.js";
import { repetitionsIn } from "../formats/pattern-cost.js";
import type { TokenizerJson } from "./tokenizer-json.js";

type Part = Readonly<Record<string, unknown>>;

/** What the two libraries do alike, `pre-tokenizer.ts` helping: held to the Rust library in tokenizer-parts.test.ts. */
const NORMALIZERS = ["NFC", "NFD", "NFKC", "NFKD", "Prepend", "Replace", "Strip", "StripAccents"];
const PRE_TOKENIZERS = [
  "ByteLevel",
  "Digits",
  "Metaspace",
  "Punctuation",
  "Split",
  "Whitespace",
  "WhitespaceSplit",
];
const DECODERS = ["ByteFallback", "ByteLevel", "Fuse", "Metaspace", "Replace", "Strip"];
const MODELS = ["BPE"];

const isPart = (value: unknown): value is Part => typeof value === "object" && value !== null;

/** A part and, of a sequence, the parts of it. */
function parts(value: unknown, list: string): Part[] {
  if (!isPart(value)) return [];
  if (value.type !== "Sequence") return [value];
  return (Array.isArray(value[list]) ? value[list] : []).flatMap((part) => parts(part, list));
}

/** A sequence that lists no parts, as a place in the file. */
function emptySequence(value: unknown, place: string, list: string): string | undefined {
  if (!isPart(value) || value.type !== "Sequence") return undefined;
  const inner = value[list];
  if (!Array.isArray(inner) || !inner.every(isPart)) return `${place}: a Sequence without its list ${list}`;
  return inner.map((part) => emptySequence(part, place, list)).find((fault) => fault !== undefined);
}

/** The first regular expression that may take forever on a text. */
function slowPattern(json: TokenizerJson): string | undefined {
  const all = [...parts(json.normalizer, "normalizers"), ...parts(json.pre_tokenizer, "pretokenizers")];
  const patterns = [...all, ...parts(json.decoder, "decoders")].map(({ pattern }) =>
    isPart(pattern) ? pattern.Regex : undefined,
  );
  return patterns.find(
    (pattern): pattern is string => typeof pattern === "string" && repetitionsIn(pattern).nested,
  );
}

/** Whether byte tokens stand in for every character that the vocabulary lacks, so that none is unknown. */
function fallsBack({ model }: TokenizerJson): boolean {
  const name = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
  return (
    model.byte_fallback === true &&
    Array.from({ length: 256 }, (_, byte) => name(byte)).every((token) => Object.hasOwn(model.vocab, token))
  );
}

/** What of a pre-tokenizer that is known would not be followed. */
function unfollowedCut(part: Part): string | undefined {
  const name = `pre_tokenizer ${part.type as string}`;
  const behavior = part.behavior ?? (part.type === "Punctuation" ? "Isolated" : undefined);
  switch (part.type) {
    case "Metaspace":
      return part.split === false ? undefined : `${name} with split`;
    case "Punctuation":
      return behavior === "Isolated" || behavior === "Contiguous"
        ? undefined
        : `${name} with behavior ${JSON.stringify(behavior)}`;
    case "Split": {
      // Either pieces stay with what lies between them, or the pattern says what stays.
      const followed = part.invert === true ? behavior === "Removed" : behavior === "Isolated";
      return followed
        ? undefined
        : `${name} with behavior ${JSON.stringify(behavior)}${part.invert === true ? " and invert" : ""}`;
    }
    default:
      return undefined;
  }
}

/** The library puts a replacement's text where JavaScript reads `$` as a reference. */
const refersBack = (part: Part): boolean =>
  part.type === "Replace" && typeof part.content === "string" && part.content.includes("$");

/** The first thing in the file that would not be followed, as a place in it. */
function unfollowed(json: TokenizerJson): string | undefined {
  const { model } = json;
  const quoted = (value: unknown): string => JSON.stringify(value);
  if (!MODELS.includes(model.type)) return `model.type ${quoted(model.type)}`;
  for (const part of parts(json.normalizer, "normalizers")) {
    if (!NORMALIZERS.includes(part.type as string)) return `normalizer ${quoted(part.type)}`;
    if (refersBack(part)) return `normalizer Replace with content ${quoted(part.content)}`;
  }
  for (const part of parts(json.pre_tokenizer, "pretokenizers")) {
    if (!PRE_TOKENIZERS.includes(part.type as string)) return `pre_tokenizer ${quoted(part.type)}`;
    const cut = unfollowedCut(part);
    if (cut !== undefined) return cut;
  }
  for (const part of parts(json.decoder, "decoders")) {
    if (!DECODERS.includes(part.type as string)) return `decoder ${quoted(part.type)}`;
    if (refersBack(part)) return `decoder Replace with content ${quoted(part.content)}`;
    if (part.type === "Metaspace" && part.prepend_scheme === "never") {
      return 'decoder Metaspace with prepend_scheme "never"';
    }
  }
  const single = json.added_tokens.find((token) => token.single_word === true);
  if (single !== undefined) return `single_word of the added token ${quoted(single.content)}`;
  if (model.dropout !== undefined && model.dropout !== null && model.dropout !== 0) {
    return `model.dropout ${quoted(model.dropout)}`;
  }
  const prefix = model.continuing_subword_prefix ?? "";
  if (prefix !== "") return `model.continuing_subword_prefix ${quoted(prefix)}`;
  const unknown = (model.unk_token ?? null) !== null && !fallsBack(json);
  if (model.fuse_unk === true && unknown && json.pre_tokenizer !== null) return "model.fuse_unk";
  return undefined;
}

/** @throws IBertError `tokenizer-unsupported` naming the file and the flag */
export function requireKnownFlags(json: TokenizerJson, path: string): void {
  const fault =
    emptySequence(json.normalizer, "normalizer", "normalizers") ??
    emptySequence(json.pre_tokenizer, "pre_tokenizer", "pretokenizers") ??
    emptySequence(json.decoder, "decoder", "decoders");
  if (fault !== undefined) {
    throw new IBertError("tokenizer-invalid", `${path}: ${fault}`, {
      hint: "Fetch the model's tokenizer again.",
    });
  }
  const slow = slowPattern(json);
  const flag =
    slow === undefined ? unfollowed(json) : `a repetition within a repetition in ${JSON.stringify(slow)}`;
  if (flag === undefined) return;
  throw new IBertError("tokenizer-unsupported", `${path}: ${flag} is not supported`, {
    hint: "The model would be fed other tokens than it was trained on; take a model with a byte-level BPE tokenizer.",
  });
}
