import { existsSync } from "node:fs";
import { join } from "node:path";

import { IBertError } from "../errors.js";
import { openGguf } from "../formats/gguf.js";
import { withSmallYoungGeneration } from "../runtime/memory.js";
import type { ModelSource } from "./sources.js";
import { tokenizerFromGguf } from "./tokenizer-gguf.js";
import { tokenizerFromFolder } from "./tokenizer-json.js";
import { openTekken } from "./tekken.js";

export interface EncodeOptions {
  /**
   * Whether text that spells a special token (`<|im_end|>`) becomes that token, as transformers does by default. Give
   * false for text from users and data, which then can neither end a turn nor open one.
   */
  allowSpecial?: boolean;
}

export interface DecodeOptions {
  /** Leaves special tokens out of the text; they stand in it by default. */
  skipSpecial?: boolean;
}

export interface ChatMessage {
  role: string;
  content: string;
}

export interface ChatOptions {
  /** Ends with the opening of the assistant's turn, for generation; true by default. */
  addGenerationPrompt?: boolean;
}

/** Text to token ids and back. `encode` adds nothing: where `addBos` is true, a sequence starts with `bosId`. */
export interface Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly eosId: number;
  /** Whether the model was trained with `bosId` at the start of every sequence. */
  readonly addBos: boolean;
  readonly specialIds: ReadonlySet<number>;
  encode(text: string, options?: EncodeOptions): number[];
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  /**
   * The ids of a conversation in the model's own format. Text within a message never becomes a special token.
   * @throws IBertError `chat-template` where the model has no template or the template refuses the messages.
   */
  applyChatTemplate(messages: readonly ChatMessage[], options?: ChatOptions): number[];
}

/**
 * The tokenizer that comes with a base model: in the GGUF's metadata, or as `tokenizer.json` or `tekken.json`.
 * @throws IBertError naming the file, where there is none or it is of an unknown kind.
 */
export function loadTokenizer(source: Pick<ModelSource, "format" | "path">): Tokenizer {
  return withSmallYoungGeneration(() => readTokenizer(source));
}

function readTokenizer(source: Pick<ModelSource, "format" | "path">): Tokenizer {
  if (source.format === "gguf") return tokenizerFromGguf(openGguf(source.path));
  if (existsSync(join(source.path, "tokenizer.json"))) return tokenizerFromFolder(source.path);
  const tekken = join(source.path, "tekken.json");
  if (existsSync(tekken)) return openTekken(tekken);
  throw new IBertError(
    "tokenizer-missing",
    `${source.path}: neither tokenizer.json nor tekken.json is here`,
    {
      hint: "Fetch the model's tokenizer beside its weights.",
    },
  );
}
