import { beforeAll, describe, expect, it } from "vitest";

import { Random } from "../data/random.js";
import { DecodeStream } from "./decode-stream.js";
import { loadTokenizer } from "./load-tokenizer.js";
import { resolveSource } from "./sources.js";
import { JsonTokenizer, type TokenizerJson } from "./tokenizer-json.js";
import type { Tokenizer } from "./tokenizer.js";

type Decoding = Pick<Tokenizer, "decode">;

/** A tokenizer with these tokens and a decoder of `tokenizer.json`. */
function tiny(tokens: readonly string[], decoder: object): Tokenizer {
  const json = {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder,
    model: { type: "BPE", vocab: Object.fromEntries(tokens.map((t, i) => [t, i])), merges: [] },
  } as unknown as TokenizerJson;
  return new JsonTokenizer(json, {
    path: "-",
    bosId: null,
    eosId: 0,
    addBos: false,
    chatTemplate: undefined,
  });
}

/** One token a byte, and none for the id 256. */
const bytes: Decoding = {
  decode: (ids) => Buffer.from(Array.from(ids).filter((id) => id < 256)).toString("utf8"),
};
const ALL_BYTES = Array.from(
  { length: 256 },
  (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`,
);
const spaces = tiny(["\u2581", "\u2581a", "b", "\u2581\u2581", "\u00e9", "\u2581c"], {
  type: "Metaspace",
  replacement: "\u2581",
});
const fallback = tiny([...ALL_BYTES, "\u2581", "\u2581a", "b"], {
  type: "Sequence",
  decoders: [
    { type: "Replace", pattern: { String: "\u2581" }, content: " " },
    { type: "ByteFallback" },
    { type: "Fuse" },
    { type: "Strip", content: " ", start: 1, stop: 0 },
  ],
});

/** The pieces, after every prefix was held against the whole. */
function pieces(tokenizer: Decoding, ids: readonly number[]): string[] {
  const whole = tokenizer.decode(ids);
  const stream = new DecodeStream(tokenizer);
  const parts = ids.map((id) => stream.push(id));
  parts.push(stream.end());
  let sofar = "";
  for (const part of parts) {
    sofar += part;
    if (!whole.startsWith(sofar))
      throw new Error(`${JSON.stringify(sofar)} does not begin ${JSON.stringify(whole)}`);
  }
  expect(sofar).toBe(whole);
  return parts;
}

let smol: Tokenizer;
beforeAll(async () => {
  smol = loadTokenizer(await resolveSource("smollm2-135m"));
}, 600_000);

describe("DecodeStream", () => {
  it("holds back the bytes of a character until it is whole", () => {
    const parts = pieces(bytes, [...Buffer.from("a\u{1f525}b")]);
    expect(parts).toEqual(["a", "", "", "", "\u{1f525}", "b", ""]);
  });

  it("hands out replacements as soon as they are certain", () => {
    // A continuation byte alone, a character cut short, and an invalid byte.
    expect(pieces(bytes, [0x80, 0x41])).toEqual(["", "\ufffdA", ""]);
    expect(pieces(bytes, [0xf0, 0x9f, 0x41])).toEqual(["", "", "\ufffdA", ""]);
    expect(pieces(bytes, [0xff, 0xff, 0xff])).toEqual(["", "\ufffd", "\ufffd", "\ufffd"]);
    // U+FFFD itself, when the next id comes.
    expect(pieces(bytes, [...Buffer.from("\ufffda")])).toEqual(["", "", "", "\ufffda", ""]);
  });

  it.each([
    ["bytes", () => bytes, 257],
    ["a Metaspace decoder", () => spaces, 6],
    ["a decoder with byte fallback", () => fallback, 259],
    ["SmolLM2's tokenizer", () => smol, 49152],
  ])("gives in pieces what %s decodes at once", (_, tokenizer, vocabulary) => {
    const random = Random.of(7, "test");
    const below = (limit: number): number => Math.floor(random.float() * limit);
    for (let round = 0; round < 400; round++) {
      const few = Array.from({ length: 1 + below(6) }, () => below(vocabulary));
      const length = 1 + below(80);
      // Anything; the same few again and again; for bytes the ones that matter for UTF-8.
      const draw = [
        () => below(vocabulary),
        () => few[below(few.length)] as number,
        () =>
          vocabulary < 257
            ? below(vocabulary)
            : ([0xf0, 0x9f, 0x94, 0xa5, 0xe2, 0x82, 0xac, 0x80, 0x41][below(9)] as number),
      ][round % 3] as () => number;
      pieces(tokenizer(), Array.from({ length }, draw));
    }
  });

  it("gives real text back, whatever characters it has", () => {
    const text =
      "naïve \u{1f469}\u200d\u{1f4bb} 你好, \u0645\u0631\u062d\u0628\u0627 \ufeff x = 'é'\n".repeat(20);
    expect(pieces(smol, smol.encode(text)).join("")).toBe(text);
    expect(pieces(bytes, [...Buffer.from(text)]).join("")).toBe(text);
  });

  it.each([
    ["ordinary ids", (i: number) => 97 + (i % 26)],
    ["invalid bytes only", () => 0x80],
    ["characters cut short only", (i: number) => (i % 2 === 0 ? 0xf0 : 0x9f)],
    ["ids without text", (i: number) => (i === 0 ? 97 : 256)],
    ["ids without text in a character", (i: number) => (i === 0 ? 0xf0 : 256)],
  ])("decodes a bounded number of ids for each one: %s", (_, id) => {
    let decoded = 0;
    const counting: Decoding = {
      decode: (ids) => {
        decoded += ids.length;
        return bytes.decode(ids);
      },
    };
    const stream = new DecodeStream(counting);
    const count = 2000;
    for (let i = 0; i < count; i++) stream.push(id(i));
    expect(decoded / count).toBeLessThan(120);
  });
});
