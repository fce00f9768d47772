/** What a tokenizer.json asks for is honoured, or refused by name. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { loadTokenizer } from "./load-tokenizer.js";
import { check } from "./testing/chain-checks.js";
import { writeChainModel } from "./testing/chain-model.js";

describe("flags of tokenizer.json", () => {
  type Json = Record<string, unknown>;
  const model = (change: Json) => (json: Json) => void Object.assign(json.model as Json, change);
  const part = (change: Json) => (json: Json) => void Object.assign(json, change);
  const added = (change: Json) => (json: Json) =>
    void (json.added_tokens as Json[]).push({ ...(json.added_tokens as Json[])[0], id: 300, ...change });

  it.each<[string, (json: Json) => void]>([
    ["model.dropout 0.1", model({ dropout: 0.1 })],
    ['model.continuing_subword_prefix "##"', model({ continuing_subword_prefix: "##" })],
    ["model.fuse_unk", model({ fuse_unk: true, unk_token: "<s>" })],
    ['model.type "WordLevel"', model({ type: "WordLevel" })],
    ['normalizer "Nmt"', part({ normalizer: { type: "Nmt" } })],
    [
      'normalizer "Precompiled"',
      part({ normalizer: { type: "Sequence", normalizers: [{ type: "Precompiled" }] } }),
    ],
    ['pre_tokenizer "UnicodeScripts"', part({ pre_tokenizer: { type: "UnicodeScripts" } })],
    ["Metaspace with split", part({ pre_tokenizer: { type: "Metaspace", replacement: "\u2581" } })],
    ['single_word of the added token "<w>"', added({ content: "<w>", single_word: true })],
  ])("refuses %s", async (name, tokenizer) => {
    await check({ tokenizer }, { code: "tokenizer-unsupported", names: ["tokenizer.json", name] });
  });

  it.each<[string, (json: Json) => void]>([
    ["truncation and padding", part({ truncation: { max_length: 1 }, padding: { length: 9 } })],
    ["dropout 0", model({ dropout: 0 })],
    ["fuse_unk without an unknown token", model({ fuse_unk: true })],
  ])("takes %s", async (_, tokenizer) => {
    await check({ tokenizer }, "ab");
  });

  it.each<[string, (json: Json) => void, string, number[]]>([
    ["lstrip", added({ content: "<m>", lstrip: true }), "a  <m>", [97, 300]],
    ["rstrip", added({ content: "<m>", rstrip: true }), "<m>  a", [300, 97]],
    ["neither", added({ content: "<m>" }), "<m>a", [300, 97]],
    ["a normalizer", part({ normalizer: { type: "NFKC" } }), "\uff41\uff42", [97, 98]],
    ["ignore_merges", model({ ignore_merges: true }), "ab", [97, 98]],
  ])("honours %s", async (_, tokenizer, text, ids) => {
    const folder = temporaryFolder();
    await writeChainModel(folder, { tokenizer });
    expect(loadTokenizer({ format: "huggingface", path: folder }).encode(text)).toEqual(ids);
  });
});

describe("the start of text", () => {
  const template = (id: string) => (json: Record<string, unknown>) =>
    void (json.post_processor = {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
    });
  it("is the post-processor's where bos_token is not named", async () => {
    const folder = temporaryFolder();
    await writeChainModel(folder, { tokenizer: template("</s>") });
    const tokenizer = loadTokenizer({ format: "huggingface", path: folder });
    expect([tokenizer.bosId, tokenizer.addBos]).toEqual([257, true]);
  });

  it("is refused where post-processor and bos_token disagree", async () => {
    await check(
      { tokenizer: template("</s>"), tokenizerConfig: { bos_token: "<s>" } },
      { code: "tokenizer-unsupported", names: ["post_processor", '"</s>"', '"<s>"'] },
    );
  });
});

describe("tokens that were added beside tokenizer.json", () => {
  const token = {
    content: "<col>",
    lstrip: false,
    rstrip: false,
    normalized: false,
    single_word: false,
    special: false,
  };

  it("are tokens, from either file", async () => {
    const folder = temporaryFolder();
    await writeChainModel(folder, { tokenizerConfig: { added_tokens_decoder: { "300": token } } });
    writeFileSync(join(folder, "added_tokens.json"), JSON.stringify({ "<row>": 301, "<col>": 300 }));
    const tokenizer = loadTokenizer({ format: "huggingface", path: folder });
    expect(tokenizer.encode("a<col>b<row>")).toEqual([97, 300, 98, 301]);
    expect(tokenizer.decode([300, 301])).toBe("<col><row>");
  });

  it("need a row of the embedding like all others", async () => {
    await check(
      { tokenizerConfig: { added_tokens_decoder: { "4000": token } } },
      { code: "token-without-row", names: ['"<col>"', "4000"] },
    );
  });

  it("are refused where they contradict it", async () => {
    await check(
      { tokenizerConfig: { added_tokens_decoder: { "257": token } } },
      { code: "tokenizer-invalid", names: ["tokenizer_config.json", "257", '"<col>"'] },
    );
  });
});

describe("a space before texts", () => {
  const cut = (add_prefix_space: boolean) => (json: Record<string, unknown>) => {
    json.pre_tokenizer = { type: "ByteLevel", add_prefix_space, trim_offsets: true, use_regex: true };
  };

  it.each([true, false])("is refused where two files differ about it", async (here) => {
    await check(
      { tokenizer: cut(here), tokenizerConfig: { add_prefix_space: !here } },
      { code: "tokenizer-unsupported", names: ["tokenizer_config.json", `add_prefix_space is ${!here}`] },
    );
  });

  it.each([false, null, undefined])(
    "is none where tokenizer_config.json says %j too",
    async (add_prefix_space) => {
      await check({ tokenizer: cut(false), tokenizerConfig: { add_prefix_space } }, "ab");
    },
  );
});
