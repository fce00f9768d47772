import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { readJson } from "../formats/json.js";
import { encodeGguf, type TypedValue } from "../formats/testing/gguf-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { openTekken } from "./tekken.js";
import { loadTokenizer } from "./load-tokenizer.js";
import { hashesOfIds, tekkenStrings } from "./testing/tekken-strings.js";
import type { ChatMessage, Tokenizer } from "./tokenizer.js";

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
interface Blocks {
  strings: number;
  block: number;
  hashes: string[];
}
const file = readJson(FILE) as TekkenJson;
const blocks = readJson(join(FOLDER, "blocks.json")) as Blocks;
const expected = readJson(join(FOLDER, "expected.json")) as Expected;

/** GPT-2's stand-ins for bytes. */
const CHARACTERS = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isItself = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(isItself ? byte : next++);
  });
})();

/** The golden file as llama.cpp's converter writes it: merges are all pairs of tokens that make a token, in its order. */
function ggufOfTekken(): Record<string, TypedValue> {
  const spelt = file.vocab.map(({ token_bytes }) =>
    Array.from(Buffer.from(token_bytes, "base64"), (byte) => CHARACTERS[byte]).join(""),
  );
  const rank = new Map(spelt.map((token, i) => [token, i]));
  const merges = spelt.flatMap((token) =>
    Array.from({ length: token.length - 1 }, (_, i) => [token.slice(0, i + 1), token.slice(i + 1)] as const)
      .filter(([left, right]) => rank.has(left) && rank.has(right))
      .sort(
        ([a, b], [c, d]) =>
          (rank.get(a) as number) - (rank.get(c) as number) ||
          (rank.get(b) as number) - (rank.get(d) as number),
      )
      .map((pair) => pair.join(" ")),
  );
  const names = ["<unk>", "<s>", "</s>", "[INST]"];
  const specials = Array.from({ length: 32 }, (_, i) => names[i] ?? `<SPECIAL_${i}>`);
  const text = (value: string): TypedValue => ({ type: "string", value });
  const texts = (value: string[]): TypedValue => ({ type: "array", of: "string", value });
  return {
    "tokenizer.ggml.model": text("gpt2"),
    "tokenizer.ggml.pre": text("tekken"),
    "tokenizer.ggml.tokens": texts([...specials, ...spelt]),
    "tokenizer.ggml.token_type": {
      type: "array",
      of: "i32",
      value: [...specials.map(() => 3), ...spelt.map(() => 1)],
    },
    "tokenizer.ggml.merges": texts(merges),
    "tokenizer.ggml.bos_token_id": { type: "u32", value: 1 },
    "tokenizer.ggml.eos_token_id": { type: "u32", value: 2 },
    "tokenizer.ggml.add_bos_token": { type: "bool", value: true },
  };
}

/** The golden file with parts changed. */
function variant(change: Partial<TekkenJson>): string {
  const path = join(temporaryFolder(), "tekken.json");
  writeFileSync(path, JSON.stringify({ ...file, ...change }));
  return path;
}

function* idsOfStrings(tokenizer: Tokenizer): Generator<number[]> {
  for (const text of tekkenStrings(blocks.strings)) yield tokenizer.encode(text, { allowSpecial: false });
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

  it("reads to the same ids from a GGUF with pre = tekken", () => {
    const path = join(temporaryFolder(), "tekken.gguf");
    writeFileSync(path, encodeGguf({ metadata: ggufOfTekken() }));
    const tokenizer = loadTokenizer({ format: "gguf", path });
    expect(tokenizer).toMatchObject({ bosId: 1, eosId: 2, addBos: true, vocabSize: 932 });
    expected.strings.forEach((text, i) => {
      const ids = tokenizer.encode(text, { allowSpecial: false });
      expect(ids, JSON.stringify(text)).toEqual(expected.ids[i]);
      expect(tokenizer.decode(ids)).toBe(text);
    });
    expect(tokenizer.encode("[INST]</s>")).toEqual([3, 2]);
    expect(hashesOfIds(idsOfStrings(tokenizer), blocks.block)).toEqual(blocks.hashes);
  });

  it("gives 10,000 strings of all kinds the ids of mistral-common", () => {
    expect(blocks).toMatchObject({ strings: 10_000, block: 250 });
    expect(hashesOfIds(idsOfStrings(openTekken(FILE)), blocks.block)).toEqual(blocks.hashes);
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

  it("encodes 1 MB without spaces in time that grows with the text", () => {
    const tokenizer = openTekken(FILE);
    const letters = [...tekkenStrings(4000)].join("").replace(/[^a-z]/g, "");
    const text = letters.repeat(Math.ceil(2 ** 20 / letters.length)).slice(0, 2 ** 20);
    const seconds = (part: string): number => {
      const { user } = process.cpuUsage();
      const ids = tokenizer.encode(part);
      const spent = process.cpuUsage().user - user;
      expect(tokenizer.decode(ids)).toBe(part);
      return spent / 1e6;
    };
    seconds(text.slice(0, 2 ** 15));
    // Sixteen times the text: quadratic would be 256 times the time.
    expect(seconds(text) / seconds(text.slice(0, 2 ** 16))).toBeLessThan(100);
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
    const anchored = { ...file.config, pattern: "(a+)+$" };
    expect(() => openTekken(variant({ config: anchored }))).toThrow(/config\.pattern has \$ at character 5/);
    expect(() => openTekken(variant({ config: {} }))).toThrow(/tekken\.json: config\.pattern/);
    expect(() => openTekken(variant({ config: { ...file.config, pattern: "(" } }))).toThrow(
      /config\.pattern has a group without its end/,
    );
    expect(() => loadTokenizer({ format: "huggingface", path: temporaryFolder() })).toThrow(
      /neither tokenizer\.json nor tekken\.json/,
    );
    expect(() => openTekken(FILE).applyChatTemplate([{ role: "robot", content: "x" }])).toThrow(
      /no role "robot"/,
    );
  });
});
