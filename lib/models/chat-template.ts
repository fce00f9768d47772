import { Template } from "@huggingface/jinja";

import { IBertError } from "../errors.js";
import type { ChatMessage, ChatOptions } from "./tokenizer.js";

/** What a chat template needs of a tokenizer. */
export interface ChatVocabulary {
  /** Content and id of each special token. */
  readonly specials: ReadonlyMap<string, number>;
  readonly bosToken: string;
  readonly eosToken: string;
  /** Encodes text in which no special token is recognised. */
  readonly encodePlain: (text: string) => number[];
  /** The file that errors name. */
  readonly path?: string;
}

function refuse({ path }: ChatVocabulary, message: string, cause?: unknown): IBertError {
  return new IBertError("chat-template", path === undefined ? message : `${path}: ${message}`, {
    hint: "Most templates want the roles system (first, if at all), then user and assistant in turn.",
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * A model's Jinja chat template, made safe: the special tokens of the template itself become ids, those spelt in a
 * message stay text. For that the template is rendered with a stand-in for each message's content; the text between
 * two special tokens is tokenised in one piece, so that harmless messages get the ids that transformers gives them.
 */
export class ChatTemplate {
  readonly #template: Template;
  readonly #vocabulary: ChatVocabulary;
  readonly #special: RegExp | undefined;

  constructor(source: string, vocabulary: ChatVocabulary) {
    try {
      this.#template = new Template(source);
    } catch (error) {
      throw refuse(vocabulary, `the model's chat template cannot be parsed: ${String(error)}`, error);
    }
    this.#vocabulary = vocabulary;
    this.#special = specialPattern(vocabulary.specials.keys());
  }

  /** The conversation as text, special tokens spelt out. */
  render(messages: readonly ChatMessage[], { addGenerationPrompt = true, tools }: ChatOptions = {}): string {
    try {
      return this.#template.render({
        messages: messages.map((message) => ({ ...message })),
        // Both are there in transformers too, as null where they are not given.
        tools: tools ?? null,
        documents: null,
        bos_token: this.#vocabulary.bosToken,
        eos_token: this.#vocabulary.eosToken,
        add_generation_prompt: addGenerationPrompt,
      });
    } catch (error) {
      throw refuse(
        this.#vocabulary,
        `the model's chat template refuses the messages: ${error instanceof Error ? error.message : String(error)}`,
        error,
      );
    }
  }

  encode(messages: readonly ChatMessage[], options: ChatOptions = {}): number[] {
    const text = this.render(messages, options);
    const contents = messages.map(({ content }) => content);
    this.#requirePlain(messages, options);
    if (!contents.some((content) => this.#special?.test(content))) return this.#encode(text, (part) => part);
    const standIns = contents.map((_, i) => `\ue000${i}\ue001`);
    const restore = (part: string): string =>
      part.replace(/\ue000(\d+)\ue001/g, (_, i: string) => contents[Number(i)] ?? "");
    const skeleton = this.render(
      messages.map((message, i) => ({ ...message, content: standIns[i] ?? "" })),
      options,
    );
    if (restore(skeleton) !== text) {
      throw refuse(
        this.#vocabulary,
        "a message spells a special token, and the model's chat template rewrites messages",
      );
    }
    return this.#encode(skeleton, restore);
  }

  /** What stands beside messages' content has no stand-in, so that it may spell no special token. */
  #requirePlain(messages: readonly ChatMessage[], { tools }: ChatOptions): void {
    const beside = messages.map(({ content: _, ...rest }) => rest);
    const found = this.#special?.exec(JSON.stringify([beside, tools ?? []]));
    if (found)
      throw refuse(this.#vocabulary, `a role, a tool or a call of one spells the special token ${found[0]}`);
  }

  #encode(text: string, restore: (part: string) => string): number[] {
    const ids: number[] = [];
    const { specials, encodePlain } = this.#vocabulary;
    for (const part of this.#special === undefined ? [text] : text.split(this.#special)) {
      const id = specials.get(part);
      if (id !== undefined) ids.push(id);
      else if (part !== "") for (const token of encodePlain(restore(part))) ids.push(token);
    }
    return ids;
  }
}

/** Matches any of the tokens, the longest first, and keeps them when it splits. */
function specialPattern(tokens: Iterable<string>): RegExp | undefined {
  const alternatives = [...tokens]
    .sort((a, b) => b.length - a.length)
    .map((token) => token.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"));
  return alternatives.length === 0 ? undefined : new RegExp(`(${alternatives.join("|")})`);
}
