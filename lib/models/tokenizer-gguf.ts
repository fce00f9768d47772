import { IBertError } from "../errors.js";
import { GgufMetadata } from "../formats/gguf-metadata.js";
import type { Gguf } from "../formats/gguf.js";
import { JsonTokenizer, type TokenizerJson, type TokenizerSettings } from "./tokenizer-json.js";
import type { Tokenizer } from "./tokenizer.js";

/** `tokenizer.ggml.token_type`: tokens that are matched as wholes before any merge. */
const CONTROL = 3;
const USER_DEFINED = 4;

const BYTE_LEVEL = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };

/** `config.pattern` of Mistral's tekken.json files, with White_Space for Rust's `\s`. */
const TEKKEN_PATTERN = [
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+",
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*",
  "\\p{N}",
  " ?[^\\p{White_Space}\\p{L}\\p{N}]+[\\r\\n/]*",
  "\\p{White_Space}*[\\r\\n]+",
  "\\p{White_Space}+(?!\\P{White_Space})",
  "\\p{White_Space}+",
].join("|");

/** How a text is cut before the merges, by the name that llama.cpp gives to it (`tokenizer.ggml.pre`). */
const PRE_TOKENIZERS: Record<string, { type: string } & Record<string, unknown>> = {
  "gpt-2": BYTE_LEVEL,
  tekken: {
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex: TEKKEN_PATTERN }, behavior: "Isolated", invert: false },
      { ...BYTE_LEVEL, use_regex: false },
    ],
  },
  smollm: { type: "Sequence", pretokenizers: [{ type: "Digits", individual_digits: true }, BYTE_LEVEL] },
};

/**
 * Keys that are read here, or name what neither training nor generation puts into a text: ids of special tokens, scores
 * (byte-level BPE goes by its merges), the end that others put behind a prompt, templates of chats.
 */
const KNOWN_KEYS =
  /^tokenizer\.(chat_templates?(\..+)?|huggingface\.json|ggml\.(model|pre|tokens|token_type|token_type_count|merges|scores|\w+_token_id|add_bos_token|add_eos_token))$/;
/** Keys of other kinds of tokenizers, which pass where they ask for nothing. */
const OFF_KEYS = new Set(
  ["add_sep_token", "add_space_prefix", "remove_extra_whitespaces", "normalizer.lowercase"].map(
    (name) => `tokenizer.ggml.${name}`,
  ),
);

function invalid({ path }: Gguf, message: string): IBertError {
  return new IBertError("tokenizer-invalid", `${path}: ${message}`, {
    hint: "The file is damaged, or was converted wrongly; convert or fetch it again.",
  });
}

/** No key that asks for other ids is passed over. */
function requireKnownKeys({ path, metadata }: Gguf): void {
  for (const [key, value] of metadata) {
    if (!key.startsWith("tokenizer.") || KNOWN_KEYS.test(key)) continue;
    if (OFF_KEYS.has(key) && value === false) continue;
    const text = JSON.stringify(value) ?? "";
    throw new IBertError(
      "tokenizer-unsupported",
      `${path}: ${key} ${text.length > 80 ? `${text.slice(0, 77)}...` : text} is not supported`,
      { hint: "The model would be fed other tokens than it was trained on; use its Hugging Face folder." },
    );
  }
}

/** The tokenizer in a GGUF's metadata. @throws IBertError `tokenizer-unsupported` naming the kind. */
export function tokenizerFromGguf(gguf: Gguf): Tokenizer {
  const { json, settings } = tokenizerJsonFromGguf(gguf);
  return new JsonTokenizer(json, settings);
}

/**
 * A GGUF's byte-level BPE (`tokenizer.ggml.model` = `gpt2`), rebuilt as the `tokenizer.json` that the model had before
 * its conversion.
 * @throws IBertError `tokenizer-unsupported` naming the kind.
 */
export function tokenizerJsonFromGguf(gguf: Gguf): { json: TokenizerJson; settings: TokenizerSettings } {
  const metadata = new GgufMetadata(gguf);
  const model = metadata.requireString("tokenizer.ggml.model");
  const pre = metadata.string("tokenizer.ggml.pre");
  const preTokenizer = PRE_TOKENIZERS[pre ?? ""];
  if (model !== "gpt2" || preTokenizer === undefined) {
    throw new IBertError(
      "tokenizer-unsupported",
      `${gguf.path}: the tokenizer ${JSON.stringify(model)} ${pre === undefined ? "without tokenizer.ggml.pre" : `with pre-tokenizer ${JSON.stringify(pre)}`} is not supported`,
      {
        hint: `Supported here are gpt2 with ${Object.keys(PRE_TOKENIZERS).join(" or ")}; use the model's Hugging Face folder.`,
      },
    );
  }
  requireKnownKeys(gguf);
  const tokens = metadata.requireStrings("tokenizer.ggml.tokens");
  const types = metadata.numbers("tokenizer.ggml.token_type") ?? [];
  if (types.length > 0 && types.length !== tokens.length) {
    throw invalid(gguf, `tokenizer.ggml.token_type has ${types.length} entries for ${tokens.length} tokens`);
  }
  const added = tokens.flatMap((content, id) =>
    types[id] === CONTROL || types[id] === USER_DEFINED
      ? [{ id, content, special: types[id] === CONTROL, ...AS_WRITTEN }]
      : [],
  );
  const json: TokenizerJson = {
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: preTokenizer,
    post_processor: null,
    decoder: BYTE_LEVEL,
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: metadata.requireStrings("tokenizer.ggml.merges"),
      unk_token: null,
      byte_fallback: false,
      // A piece that is a token is that token, as in tiktoken.
      ignore_merges: pre === "tekken",
    },
  };
  for (const key of ["bos", "eos", "eot", "eom"].map((name) => `tokenizer.ggml.${name}_token_id`)) {
    const id = metadata.number(key) ?? 0;
    if (tokens[id] === undefined)
      throw invalid(gguf, `${key} is ${id}, but there are ${tokens.length} tokens`);
  }
  const bosId = metadata.number("tokenizer.ggml.bos_token_id") ?? null;
  const addBos = metadata.boolean("tokenizer.ggml.add_bos_token") ?? false;
  if (addBos && bosId === null) {
    throw invalid(gguf, "tokenizer.ggml.add_bos_token is true, but tokenizer.ggml.bos_token_id is missing");
  }
  const template = gguf.metadata.get("tokenizer.chat_template");
  const settings: TokenizerSettings = {
    path: gguf.path,
    bosId,
    eosId: metadata.requireNumber("tokenizer.ggml.eos_token_id"),
    addBos,
    chatTemplate: typeof template === "string" ? template : undefined,
  };
  return { json, settings };
}

/** An added token is found wherever it is spelt, and takes no space around it. */
const AS_WRITTEN = { single_word: false, lstrip: false, rstrip: false, normalized: false };
