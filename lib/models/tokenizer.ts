/** What every kind of tokenizer can do; `load-tokenizer.ts` finds the one of a model. */

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
  /** Of an assistant that calls tools, in the form of OpenAI's interface, which templates take. */
  tool_calls?: readonly ToolCall[];
  /** Of a tool's answer: the call that it answers, and the tool. */
  tool_call_id?: string;
  name?: string;
}

export interface ToolCall {
  id?: string;
  type?: "function";
  function: { name: string; arguments: Readonly<Record<string, unknown>> | string };
}

/** A tool that a model may call; `parameters` is a JSON schema. */
export interface ChatTool {
  type: "function";
  function: { name: string; description?: string; parameters?: Readonly<Record<string, unknown>> };
}

export interface ChatOptions {
  /** Ends with the opening of the assistant's turn, for generation; true by default. */
  addGenerationPrompt?: boolean;
  /** What the model may call, where its format has tools. */
  tools?: readonly ChatTool[];
}

/** Text to token ids and back. `encode` adds nothing: where `addBos` is true, a sequence starts with `bosId`. */
export interface Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly eosId: number;
  /** Every id that the tokenizer's files declare to end a text, `eosId` first. */
  readonly endIds: readonly number[];
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
