import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { readJson } from "../formats/json.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { openTekken } from "./tekken.js";
import { loadTokenizer } from "./load-tokenizer.js";
import type { ChatMessage } from "./tokenizer.js";

const FOLDER = fileURLToPath(new URL("./goldens/tekken", import.meta.url));
const FILE = join(FOLDER, "tekken.json");

interface TekkenJson {
  config: Record<string, unknown>;
  vocab: { rank: number; token_bytes: string }[];
}
interface Expected {
  strings: string[];
  ids: number[][];
  chats: { version: string; messages: ChatMessage[]; ids: number[] }[];
}
const file = readJson(FILE) as TekkenJson;
const expected = readJson(join(FOLDER, "expected.json")) as Expected;

/** The golden file with parts changed. */
function variant(change: Partial<TekkenJson>): string {
  const path = join(temporaryFolder(), "tekken.json");
  writeFileSync(path, JSON.stringify({ ...file, ...change }));
  return path;
}

describe("Tekken", () => {
  it("gives strings the ids of mistral-common, and gives them back", () => {
    const tokenizer = loadTokenizer({ format: "huggingface", path: FOLDER });
    expect(tokenizer).toMatchObject({ bosId: 1, eosId: 2, addBos: true, vocabSize: 932 });
    expect(expected.strings).toHaveLength(400);
    expected.strings.forEach((text, i) => {
      // mistral-common takes no special token from text.
      const ids = tokenizer.encode(text, { allowSpecial: false });
      expect(ids, JSON.stringify(text)).toEqual(expected.ids[i]);
      expect(tokenizer.decode(ids)).toBe(text);
    });
  });

  it("takes special tokens from text on request", () => {
    const tokenizer = openTekken(FILE);
    expect(tokenizer.encode("[INST]</s>")).toEqual([3, 2]);
    expect(tokenizer.decode([3, ...tokenizer.encode("x"), 2])).toBe("[INST]x</s>");
    expect(tokenizer.decode([3, ...tokenizer.encode("x"), 2], { skipSpecial: true })).toBe("x");
  });

  it.each(expected.chats.map((chat, i) => [i, chat] as const))(
    "formats conversation %i as mistral-common does",
    (_, { version, messages, ids }) => {
      const tokenizer = openTekken(variant({ config: { ...file.config, version } }));
      expect(tokenizer.applyChatTemplate(messages)).toEqual(ids);
    },
  );

  it("encodes a long piece in reasonable time", () => {
    const tokenizer = openTekken(FILE);
    const text = "ab".repeat(100_000);
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it("names what is wrong with a file", () => {
    const lacking = { rank: 0, token_bytes: Buffer.from("no byte").toString("base64") };
    expect(() => openTekken(variant({ vocab: [lacking, ...file.vocab.slice(1)] }))).toThrow(
      /no token for the byte \d+/,
    );
    expect(() => openTekken(variant({ vocab: file.vocab.slice(1) }))).toThrow(
      /need 900 entries of vocab, which has 899/,
    );
    const [first] = file.vocab as [TekkenJson["vocab"][number]];
    expect(() => openTekken(variant({ vocab: file.vocab.with(1, first) }))).toThrow(/the rank 0 .* twice/);
    const slow = { ...file.config, pattern: "(a+)+$|[^]" };
    expect(() => openTekken(variant({ config: slow }))).toThrow(/config\.pattern repeats what repeats/);
    expect(() => openTekken(variant({ config: {} }))).toThrow(/tekken\.json: config\.pattern/);
    expect(() => openTekken(variant({ config: { ...file.config, pattern: "(" } }))).toThrow(
      /cannot be compiled/,
    );
    expect(() => loadTokenizer({ format: "huggingface", path: temporaryFolder() })).toThrow(
      /neither tokenizer\.json nor tekken\.json/,
    );
    expect(() => openTekken(FILE).applyChatTemplate([{ role: "robot", content: "x" }])).toThrow(
      /no role "robot"/,
    );
  });
});
