import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { loadTokenizer } from "./load-tokenizer.js";
import type { Tokenizer } from "./tokenizer.js";

const added = (id: number, content: string) => ({
  id,
  content,
  special: true,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
});

/** A tokenizer.json of few tokens, in the form of Llama 3's: the beginning token comes from the post-processor. */
const JSON_FILE = {
  version: "1.0",
  added_tokens: [added(6, "<bos>"), added(7, "<eos>")],
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: {
    type: "Sequence",
    processors: [
      { type: "ByteLevel", add_prefix_space: true, trim_offsets: false, use_regex: true },
      {
        type: "TemplateProcessing",
        single: [{ SpecialToken: { id: "<bos>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
        pair: [],
        special_tokens: { "<bos>": { id: "<bos>", ids: [6], tokens: ["<bos>"] } },
      },
    ],
  },
  decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: "BPE",
    unk_token: null,
    vocab: { a: 0, b: 1, Ġ: 2, ab: 3, Ġab: 4, "Ġ½": 5, "<bos>": 6, "<eos>": 7 },
    merges: [
      ["a", "b"],
      ["Ġ", "ab"],
    ],
  },
};
const CONFIG = {
  bos_token: "<bos>",
  eos_token: { content: "<eos>" },
  chat_template: "{{ bos_token }}{{ messages[0].content }}",
};

function load(json: object, config: object, template?: string): Tokenizer {
  const path = temporaryFolder();
  writeFileSync(join(path, "tokenizer.json"), JSON.stringify(json));
  writeFileSync(join(path, "tokenizer_config.json"), JSON.stringify(config));
  if (template !== undefined) writeFileSync(join(path, "chat_template.jinja"), template);
  return loadTokenizer({ format: "huggingface", path });
}

describe("a tokenizer.json", () => {
  it("gives the tokens, and says rather than adds the beginning", () => {
    const tokenizer = load(JSON_FILE, CONFIG);
    expect(tokenizer).toMatchObject({ vocabSize: 8, bosId: 6, eosId: 7, addBos: true });
    expect(tokenizer.encode("ab ab<eos>")).toEqual([3, 4, 7]);
    expect(tokenizer.decode([6, 3, 4, 7])).toBe("<bos>ab ab<eos>");
    expect(load(JSON_FILE, { ...CONFIG, add_bos_token: false }).addBos).toBe(false);
    expect(load({ ...JSON_FILE, post_processor: null }, CONFIG).addBos).toBe(false);
  });

  it("takes the chat template from either file", () => {
    const messages = [{ role: "user", content: "ab" }];
    expect(load(JSON_FILE, CONFIG).applyChatTemplate(messages)).toEqual([6, 3]);
    const template = "{{ messages[0].content }}{{ eos_token }}";
    expect(load(JSON_FILE, CONFIG, template).applyChatTemplate(messages)).toEqual([3, 7]);
    const without = load(JSON_FILE, { ...CONFIG, chat_template: null });
    expect(() => without.applyChatTemplate(messages)).toThrow(
      /tokenizer\.json: the model has no chat template/,
    );
  });

  it("refuses a message with a special token where the template rewrites messages", () => {
    const tokenizer = load(JSON_FILE, CONFIG, "{{ messages[0].content | upper }}<eos>");
    expect(() => tokenizer.applyChatTemplate([{ role: "user", content: "a<eos>" }])).toThrow(
      /spells a special token/,
    );
  });

  it("names what a template refuses, and a template that is none", () => {
    const strict = load(JSON_FILE, CONFIG, "{{ raise_exception('roles must alternate') }}");
    expect(() => strict.applyChatTemplate([{ role: "user", content: "a" }])).toThrow(/roles must alternate/);
    const broken = load(JSON_FILE, CONFIG, "{% if %}");
    expect(() => broken.applyChatTemplate([{ role: "user", content: "a" }])).toThrow(/cannot be parsed/);
  });

  it("names what is missing", () => {
    expect(() => load(JSON_FILE, { bos_token: "<bos>" })).toThrow(
      /tokenizer_config\.json: eos_token is missing/,
    );
    expect(() => load({ ...JSON_FILE, added_tokens: [{ id: "x" }] }, CONFIG)).toThrow(
      /tokenizer\.json: added_tokens\.0/,
    );
    const unknown = { ...JSON_FILE, pre_tokenizer: { type: "Abracadabra" } };
    expect(() => load(unknown, CONFIG).encode("a")).toThrow(/tokenizer\.json: .*Abracadabra/);
  });
});
