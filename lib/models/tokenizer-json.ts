import { existsSync } from "node:fs";
import { join } from "node:path";

import * as hub from "@huggingface/tokenizers";
import { z } from "zod";

import { IBertError } from "../errors.js";
import { readJson } from "../formats/json.js";
import { readText } from "../formats/text.js";
import { ChatTemplate } from "./chat-template.js";
import { parseNamed } from "./config.js";
import { linearCut } from "./linear-cut.js";
import { cutAndSpell, keepPieces, type CachedParts } from "./piece-cache.js";
import { asInRust } from "./pre-tokenizer.js";
import { requireKnownFlags } from "./tokenizer-flags.js";
import type { ChatMessage, ChatOptions, DecodeOptions, EncodeOptions, Tokenizer } from "./tokenizer.js";

/**
 * The library's type declarations lack the extensions that Node's resolution wants, so this says what is used of it. Its
 * model, vocabulary and merges, is most of what a tokenizer holds, and of the time that it takes to make one.
 */
interface HubTokenizer extends CachedParts {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(
    ids: number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
  ): string;
}
const HubTokenizer = hub.Tokenizer as new (json: object, config: object) => HubTokenizer;

/** No vocabulary comes near: what lies above is no id. */
const Id = z
  .int()
  .nonnegative()
  .max(2 ** 24);
const AddedToken = z.looseObject({ id: Id, content: z.string(), special: z.boolean() });

/** The parts of `tokenizer.json` that are looked at here; `@huggingface/tokenizers` reads the rest. */
export const TokenizerJson = z.looseObject({
  added_tokens: z.array(AddedToken),
  pre_tokenizer: z.looseObject({ type: z.string() }).nullable(),
  model: z.looseObject({ type: z.string(), vocab: z.record(z.string(), Id) }),
});
export type TokenizerJson = z.infer<typeof TokenizerJson>;

const TokenName = z.union([z.string(), z.looseObject({ content: z.string() }).transform((t) => t.content)]);
const TokenizerConfig = z.looseObject({
  bos_token: TokenName.nullish(),
  eos_token: TokenName.nullish(),
  add_bos_token: z.boolean().nullish().catch(undefined),
  add_prefix_space: z.boolean().nullish().catch(undefined),
  // Training and generation need none, so that nothing in its place refuses a model.
  chat_template: z.unknown().optional(),
});

export interface TokenizerSettings {
  /** The file that errors name. */
  path: string;
  bosId: number | null;
  eosId: number;
  /** More ids at which a text ends. */
  ends?: readonly number[];
  addBos: boolean;
  chatTemplate: string | undefined;
}

/** In a model that another one stands in for. */
const NO_TOKENS = { vocab: {}, merges: [] };

/** A tokenizer over the JavaScript port of Hugging Face's library. Its two instances are made when first used. */
export class JsonTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly eosId: number;
  readonly endIds: readonly number[];
  readonly addBos: boolean;
  readonly specialIds: ReadonlySet<number>;
  /** Which ids are tokens: embeddings may have more rows. */
  readonly #known = new Set<number>();
  readonly #json: TokenizerJson;
  /** The pre-tokenizer in two parts, where pieces are spelt each for itself. */
  readonly #parts: ReturnType<typeof cutAndSpell>;
  #cut: ReturnType<typeof linearCut>;
  readonly #settings: TokenizerSettings;
  #withSpecials: HubTokenizer | undefined;
  #plain: HubTokenizer | undefined;
  #chat: ChatTemplate | undefined;

  constructor(json: TokenizerJson, settings: TokenizerSettings) {
    this.#json = { ...json, pre_tokenizer: asInRust(json.pre_tokenizer, json.model) };
    this.#parts = json.model.type === "BPE" ? cutAndSpell(this.#json.pre_tokenizer) : undefined;
    this.#settings = settings;
    this.bosId = settings.bosId;
    this.eosId = settings.eosId;
    this.endIds = [...new Set([settings.eosId, ...(settings.ends ?? [])])];
    this.addBos = settings.addBos;
    this.specialIds = new Set(json.added_tokens.filter(({ special }) => special).map(({ id }) => id));
    for (const id of Object.values(json.model.vocab)) this.#known.add(id);
    for (const { id } of json.added_tokens) this.#known.add(id);
    let largest = 0;
    for (const id of this.#known) largest = Math.max(largest, id);
    this.vocabSize = largest + 1;
  }

  #make(json: TokenizerJson): HubTokenizer {
    try {
      return new HubTokenizer(json, {});
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new IBertError("tokenizer-invalid", `${this.#settings.path}: ${reason}`, { cause: error });
    }
  }

  /** Knows every added token; encodes and decodes. */
  #full(): HubTokenizer {
    if (this.#withSpecials !== undefined) return this.#withSpecials;
    const full = this.#make({ ...this.#json, pre_tokenizer: this.#parts?.cut ?? this.#json.pre_tokenizer });
    if (this.#parts !== undefined) {
      const { pre_tokenizer: spell } = this.#make({
        ...this.#json,
        added_tokens: [],
        pre_tokenizer: this.#parts.spell,
        model: { ...this.#json.model, ...NO_TOKENS },
      });
      if (full.model !== null && spell !== null) keepPieces(full.model, spell);
      this.#cut = linearCut(this.#parts.cut);
      if (this.#cut !== undefined) full.pre_tokenizer = this.#cut;
    }
    return (this.#withSpecials = full);
  }

  /** Knows the added tokens that are no special ones; encodes only. */
  #withoutSpecials(): HubTokenizer {
    if (this.#plain !== undefined) return this.#plain;
    const { model, added_tokens: all } = this.#json;
    const json = {
      ...this.#json,
      pre_tokenizer: this.#parts?.cut ?? this.#json.pre_tokenizer,
      added_tokens: all.filter(({ special }) => !special),
    };
    if (model.type !== "BPE") return (this.#plain = this.#make(json));
    // The two share one model.
    const full = this.#full();
    this.#plain = this.#make({ ...json, model: { ...model, ...NO_TOKENS } });
    this.#plain.model = full.model;
    if (this.#cut !== undefined) this.#plain.pre_tokenizer = this.#cut;
    return this.#plain;
  }

  encode(text: string, { allowSpecial = true }: EncodeOptions = {}): number[] {
    const tokenizer = allowSpecial ? this.#full() : this.#withoutSpecials();
    return tokenizer.encode(text, { add_special_tokens: false }).ids;
  }

  decode(ids: ArrayLike<number>, { skipSpecial = false }: DecodeOptions = {}): string {
    const tokens = Array.from(ids).filter((id) => this.#known.has(id));
    // The library takes no empty list.
    if (tokens.length === 0) return "";
    return this.#full().decode(tokens, {
      skip_special_tokens: skipSpecial,
      clean_up_tokenization_spaces: false,
    });
  }

  applyChatTemplate(messages: readonly ChatMessage[], options: ChatOptions = {}): number[] {
    const { chatTemplate, path } = this.#settings;
    if (chatTemplate === undefined) {
      throw new IBertError("chat-template", `${path}: the model has no chat template`);
    }
    const special = this.#json.added_tokens.filter((token) => token.special);
    const content = (id: number | null): string => special.find((token) => token.id === id)?.content ?? "";
    this.#chat ??= new ChatTemplate(chatTemplate, {
      path,
      specials: new Map(special.map((token) => [token.content, token.id])),
      bosToken: content(this.bosId),
      eosToken: content(this.eosId),
      encodePlain: (text) => this.encode(text, { allowSpecial: false }),
    });
    return this.#chat.encode(messages, options);
  }
}

/** The tokenizer of a model folder: `tokenizer.json`, `tokenizer_config.json` and, where present, `chat_template.jinja`. */
export function tokenizerFromFolder(folder: string): Tokenizer {
  const path = join(folder, "tokenizer.json");
  const configPath = join(folder, "tokenizer_config.json");
  const config = parseNamed(TokenizerConfig, readJson(configPath), configPath);
  const json = withAddedTokens(parseNamed(TokenizerJson, readJson(path), path), folder);
  requireKnownFlags(json, path);
  requireSamePrefix(json.pre_tokenizer?.add_prefix_space, config.add_prefix_space, path, configPath);
  const idOf = (content: string): number | undefined =>
    json.added_tokens.find((token) => token.content === content)?.id ??
    (Object.hasOwn(json.model.vocab, content) ? json.model.vocab[content] : undefined);
  const mapped = specialTokensMap(folder);
  const ends = [config.eos_token, mapped.eos_token].flatMap((token) => idOf(token ?? "") ?? []);
  const [eosId] = ends;
  if (eosId === undefined) {
    throw new IBertError("tokenizer-invalid", `${configPath}: eos_token is missing or no token of ${path}`);
  }
  const start = startOf(json);
  const bosToken = config.bos_token ?? start;
  const bosId = idOf(bosToken ?? "") ?? null;
  if (start !== undefined && start !== bosToken && config.add_bos_token !== false) {
    throw new IBertError(
      "tokenizer-unsupported",
      `${path}: post_processor puts ${JSON.stringify(start)} before a text, but bos_token is ${JSON.stringify(bosToken)}`,
      { hint: "Set bos_token in tokenizer_config.json to the token that texts start with." },
    );
  }
  const templatePath = join(folder, "chat_template.jinja");
  return new JsonTokenizer(json, {
    path,
    eosId,
    ends,
    bosId,
    addBos: bosId !== null && (config.add_bos_token ?? start !== undefined),
    chatTemplate: existsSync(templatePath) ? readText(templatePath) : defaultTemplate(config.chat_template),
  });
}

/** Whether a space is put before a text stands in two files, and programs differ in which they go by. */
function requireSamePrefix(cut: unknown, config: unknown, path: string, configPath: string): void {
  if (typeof cut !== "boolean" || typeof config !== "boolean" || cut === config) return;
  throw new IBertError(
    "tokenizer-unsupported",
    `${configPath}: add_prefix_space is ${config}, but ${cut} in the pre_tokenizer of ${path}`,
    { hint: "Keep the one that the model was trained with, in both files." },
  );
}

const NO_FLAGS = { single_word: false, lstrip: false, rstrip: false, normalized: true, special: false };

/**
 * The tokenizer with the tokens that were added beside `tokenizer.json`: in `added_tokens_decoder` of
 * `tokenizer_config.json` (id → token), and in `added_tokens.json` (token → id), as transformers reads them.
 * @throws IBertError `tokenizer-invalid` where one of them gives an id another token than `tokenizer.json` does
 */
function withAddedTokens(json: TokenizerJson, folder: string): TokenizerJson {
  const Decoder = z.looseObject({
    added_tokens_decoder: z.record(z.string(), z.looseObject({ content: z.string() })).nullish(),
  });
  const found: (z.infer<typeof AddedToken> & { from: string })[] = [];
  const configPath = join(folder, "tokenizer_config.json");
  const { added_tokens_decoder: decoder } = Decoder.safeParse(readJson(configPath)).data ?? {};
  for (const [id, token] of Object.entries(decoder ?? {})) {
    const place = `${configPath}: added_tokens_decoder.${id}`;
    found.push({
      ...parseNamed(AddedToken, { ...NO_FLAGS, ...token, id: Number(id) }, place),
      from: configPath,
    });
  }
  const addedPath = join(folder, "added_tokens.json");
  if (existsSync(addedPath)) {
    const ids = parseNamed(z.record(z.string(), Id), readJson(addedPath), addedPath);
    for (const [content, id] of Object.entries(ids))
      found.push({ ...NO_FLAGS, content, id, from: addedPath });
  }
  const known = new Map(json.added_tokens.map(({ id, content }) => [id, content]));
  const added = found.flatMap(({ from, ...token }) => {
    const there = known.get(token.id);
    if (there === token.content) return [];
    if (there !== undefined) {
      throw new IBertError(
        "tokenizer-invalid",
        `${from}: the id ${token.id} is ${JSON.stringify(token.content)}, but ${JSON.stringify(there)} in tokenizer.json`,
        { hint: "The two files belong to different tokenizers; fetch the model's files again." },
      );
    }
    known.set(token.id, token.content);
    return [token];
  });
  if (added.length === 0) return json;
  return { ...json, added_tokens: [...json.added_tokens, ...added] };
}

/** The template for plain chats: alone, or by the name `default` in a list or a mapping of several. */
function defaultTemplate(value: unknown): string | undefined {
  const Named = z.array(z.looseObject({ name: z.string(), template: z.string() }));
  const list = Named.safeParse(value).data;
  const named = list === undefined ? value : Object.fromEntries(list.map((one) => [one.name, one.template]));
  return z.string().safeParse(z.looseObject({ default: z.string() }).safeParse(named).data?.default ?? named)
    .data;
}

/** `special_tokens_map.json`, which repeats `tokenizer_config.json` and now and then says otherwise. */
function specialTokensMap(folder: string): { eos_token?: string | null | undefined } {
  const path = join(folder, "special_tokens_map.json");
  if (!existsSync(path)) return {};
  return z.looseObject({ eos_token: TokenName.nullish() }).safeParse(readJson(path)).data ?? {};
}

/** The token that the post-processor puts before a single sequence. */
function startOf(json: TokenizerJson): string | undefined {
  const PostProcessor = z.looseObject({
    single: z.array(z.looseObject({ SpecialToken: z.looseObject({ id: z.string() }).optional() })).optional(),
    cls: z.tuple([z.string(), z.int()]).optional(),
    processors: z.array(z.unknown()).optional(),
  });
  const start = (value: unknown): string | undefined => {
    const { data } = PostProcessor.safeParse(value);
    const own = data?.single?.[0]?.SpecialToken?.id ?? data?.cls?.[0];
    return own ?? data?.processors?.map(start).find((token) => token !== undefined);
  };
  return start(json.post_processor);
}
