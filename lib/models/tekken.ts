import { z } from "zod";

import { IBertError } from "../errors.js";
import { readJson } from "../formats/json.js";
import { compileLinear, UnsupportedPattern } from "../formats/linear-pattern.js";
import { PatternScanner } from "../formats/pattern-scanner.js";
import { bytePairEncode, type ByteString } from "./bpe.js";
import { parseNamed } from "./config.js";
import type { ChatMessage, ChatOptions, DecodeOptions, EncodeOptions, Tokenizer } from "./tokenizer.js";

const TekkenFile = z.looseObject({
  config: z.looseObject({
    pattern: z.string(),
    default_vocab_size: z.int().positive(),
    default_num_special_tokens: z
      .int()
      .positive()
      .max(1 << 14),
    version: z.string(),
  }),
  vocab: z.array(z.looseObject({ rank: z.int().nonnegative(), token_bytes: z.base64() })),
  special_tokens: z
    .array(z.looseObject({ rank: z.int().nonnegative(), token_str: z.string().min(1) }))
    .nullish(),
});
type TekkenFile = z.infer<typeof TekkenFile>;

/** The special tokens of files up to version 7 that do not list them, in the order of their ids. */
const UNLISTED_SPECIALS = [
  "<unk>",
  "<s>",
  "</s>",
  "[INST]",
  "[/INST]",
  "[AVAILABLE_TOOLS]",
  "[/AVAILABLE_TOOLS]",
  "[TOOL_RESULTS]",
  "[/TOOL_RESULTS]",
  "[TOOL_CALLS]",
  "[IMG]",
  "<pad>",
  "[IMG_BREAK]",
  "[IMG_END]",
  "[PREFIX]",
  "[MIDDLE]",
  "[SUFFIX]",
  "[SYSTEM_PROMPT]",
  "[/SYSTEM_PROMPT]",
  "[TOOL_CONTENT]",
];

/** Pieces whose tokens are remembered, and the longest of them; the cache starts anew when it is full. */
const CACHED_PIECES = 50_000;
const LONGEST_CACHED = 64;

/** The UTF-8 of a text. */
const bytesOf = (text: string): ByteString =>
  // eslint-disable-next-line no-control-regex -- ASCII is its own UTF-8, and most pieces are
  /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text).toString("latin1");

/** Mistral's Tekken: tiktoken-style byte-level BPE whose first ids are the special tokens. */
class TekkenTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number;
  readonly eosId: number;
  readonly endIds: readonly number[];
  readonly addBos = true;
  readonly specialIds: ReadonlySet<number>;
  readonly #path: string;
  /** From this version on, the system prompt has tokens of its own. */
  readonly #version: number;
  readonly #scanner: PatternScanner;
  readonly #ranks = new Map<ByteString, number>();
  readonly #bytes: ByteString[] = [];
  /** Bytes of the longest token. */
  readonly #longest: number;
  readonly #specials: ReadonlyMap<string, number>;
  readonly #specialNames: readonly string[];
  readonly #specialPattern: RegExp;
  readonly #cache = new Map<string, readonly number[]>();

  constructor(file: TekkenFile, path: string) {
    const { config, vocab } = file;
    this.#path = path;
    this.#version = Number(/^v(\d+)/.exec(config.version)?.[1] ?? NaN);
    this.vocabSize = config.default_vocab_size;
    const specialCount = config.default_num_special_tokens;
    this.#scanner = scannerOf(config.pattern, path);
    this.#specialNames = specialNames(file, specialCount);
    this.#specials = new Map(this.#specialNames.map((name, id) => [name, id]));
    this.specialIds = new Set(this.#specialNames.keys());
    this.#specialPattern = new RegExp(
      `(${this.#specialNames.map((name) => name.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|")})`,
    );
    this.bosId = this.#special("<s>");
    this.eosId = this.#special("</s>");
    this.endIds = [this.eosId];
    const ranks = this.vocabSize - specialCount;
    if (ranks > vocab.length) {
      throw new IBertError(
        "tokenizer-invalid",
        `${path}: config.default_vocab_size ${this.vocabSize} and ${specialCount} special tokens need ${ranks} entries of vocab, which has ${vocab.length}`,
      );
    }
    for (const { rank, token_bytes } of vocab) {
      if (rank >= ranks) continue;
      const bytes = Buffer.from(token_bytes, "base64").toString("latin1");
      if (this.#bytes[rank] !== undefined || this.#ranks.has(bytes)) {
        throw new IBertError(
          "tokenizer-invalid",
          `${path}: vocab has the rank ${rank} or its token ${JSON.stringify(token_bytes)} twice`,
        );
      }
      this.#ranks.set(bytes, rank);
      this.#bytes[rank] = bytes;
    }
    this.#longest = this.#bytes.reduce((most, { length }) => Math.max(most, length), 1);
    for (let byte = 0; byte < 256; byte++) {
      if (!this.#ranks.has(String.fromCharCode(byte))) {
        throw new IBertError("tokenizer-invalid", `${path}: there is no token for the byte ${byte}`);
      }
    }
  }

  #special(name: string): number {
    const id = this.#specials.get(name);
    if (id === undefined) {
      throw new IBertError("tokenizer-invalid", `${this.#path}: there is no special token ${name}`);
    }
    return id;
  }

  encode(text: string, { allowSpecial = true }: EncodeOptions = {}): number[] {
    const ids: number[] = [];
    for (const part of allowSpecial ? text.split(this.#specialPattern) : [text]) {
      const special = allowSpecial ? this.#specials.get(part) : undefined;
      if (special !== undefined) ids.push(special);
      else this.#encodePart(part, ids);
    }
    return ids;
  }

  #encodePart(text: string, ids: number[]): void {
    const offset = this.#specialNames.length;
    this.#scanner.scan(text, (start, end, matched) => {
      // What the pattern leaves out has no tokens.
      if (!matched) return;
      const piece = text.slice(start, end);
      let ranks = this.#cache.get(piece);
      if (ranks === undefined) {
        ranks = bytePairEncode(bytesOf(piece), this.#ranks, this.#longest);
        if (piece.length <= LONGEST_CACHED) {
          if (this.#cache.size >= CACHED_PIECES) this.#cache.clear();
          this.#cache.set(piece, ranks);
        }
      }
      for (const rank of ranks) ids.push(rank + offset);
    });
  }

  decode(ids: ArrayLike<number>, { skipSpecial = false }: DecodeOptions = {}): string {
    const offset = this.#specialNames.length;
    let text = "";
    let bytes: ByteString = "";
    const flush = (): void => {
      text += Buffer.from(bytes, "latin1").toString("utf8");
      bytes = "";
    };
    for (const id of Array.from(ids)) {
      const special = this.#specialNames[id];
      if (special === undefined) {
        bytes += this.#bytes[id - offset] ?? "";
      } else {
        flush();
        if (!skipSpecial) text += special;
      }
    }
    flush();
    return text;
  }

  /** Mistral's instruct format: `<s>[SYSTEM_PROMPT]…[/SYSTEM_PROMPT][INST]…[/INST]…</s>`; it opens no assistant's turn. */
  applyChatTemplate(messages: readonly ChatMessage[], { tools = [] }: ChatOptions = {}): number[] {
    if (tools.length > 0 || messages.some((message) => message.tool_calls !== undefined)) {
      throw new IBertError("chat-template", `${this.#path}: tools are not written in Tekken's format`, {
        hint: "Leave them out, or use a model folder with tokenizer.json and chat_template.jinja.",
      });
    }
    const ids = [this.bosId];
    const plain = (text: string): number[] => this.encode(text, { allowSpecial: false });
    const lastUser = messages.findLastIndex(({ role }) => role === "user");
    let system = "";
    messages.forEach(({ role, content }, index) => {
      if (role === "system" && this.#version >= 7) {
        ids.push(this.#special("[SYSTEM_PROMPT]"), ...plain(content), this.#special("[/SYSTEM_PROMPT]"));
      } else if (role === "system") {
        system = content;
      } else if (role === "user") {
        // Before version 7 the system prompt stands in the last user message.
        const text = index === lastUser && system !== "" ? `${system}\n\n${content}` : content;
        ids.push(this.#special("[INST]"), ...plain(text), this.#special("[/INST]"));
      } else if (role === "assistant") {
        ids.push(...plain(content), this.eosId);
      } else {
        throw new IBertError("chat-template", `${this.#path}: there is no role ${JSON.stringify(role)}`, {
          hint: "The roles are system, user and assistant.",
        });
      }
    });
    return ids;
  }
}

function scannerOf(pattern: string, path: string): PatternScanner {
  try {
    return new PatternScanner(compileLinear(pattern));
  } catch (error) {
    if (!(error instanceof UnsupportedPattern)) throw error;
    throw new IBertError("tokenizer-unsupported", `${path}: config.pattern has ${error.message}`, {
      hint: "That is not read in Tekken's patterns; fetch the model's tekken.json again.",
    });
  }
}

function specialNames(file: TekkenFile, count: number): string[] {
  const names = Array.from({ length: count }, (_, id) => `<SPECIAL_${id}>`);
  const listed = file.special_tokens ?? UNLISTED_SPECIALS.map((token_str, rank) => ({ rank, token_str }));
  for (const { rank, token_str } of listed) {
    if (rank < count) names[rank] = token_str;
  }
  return names;
}

/**
 * Opens a `tekken.json`.
 * @throws IBertError `tokenizer-invalid`, `model-config-invalid` naming the file and the key.
 */
export function openTekken(path: string): Tokenizer {
  return new TekkenTokenizer(parseNamed(TekkenFile, readJson(path), path), path);
}
