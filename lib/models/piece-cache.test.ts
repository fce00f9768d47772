import { describe, expect, it } from "vitest";

import { cutAndSpell, keepPieces } from "./piece-cache.js";
import type { PreTokenizer } from "./pre-tokenizer.js";

const split = { type: "Split", pattern: { Regex: "x" }, behavior: "Isolated", invert: false };
const bytes = { type: "ByteLevel", add_prefix_space: false, use_regex: false };
const sequence = (...pretokenizers: PreTokenizer[]): PreTokenizer => ({ type: "Sequence", pretokenizers });

describe("cutAndSpell", () => {
  it("parts what cuts from what spells, however deep they stand", () => {
    const replace = { type: "Replace", pattern: { Regex: "y" }, content: "" };
    expect(cutAndSpell(sequence(sequence(split, sequence(split, bytes)), replace))).toEqual({
      cut: sequence(split, split),
      spell: sequence(bytes, replace),
    });
  });

  it.each([
    ["nothing", null],
    ["no cut", bytes],
    ["no spelling", sequence(split, split)],
    ["a cut of its own", sequence(split, { ...bytes, use_regex: true })],
    ["what goes by the place in the text", sequence(split, { type: "Metaspace", prepend_scheme: "first" })],
    ["a cut after spelling", sequence(split, bytes, split)],
  ])("leaves %s alone", (_, preTokenizer) => {
    expect(cutAndSpell(preTokenizer)).toBeUndefined();
  });
});

describe("keepPieces", () => {
  const model = () => {
    const asked: string[] = [];
    return {
      asked,
      encode: (pieces: string[]) => (asked.push(...pieces), pieces.map((piece) => `<${piece}>`)),
    };
  };
  const spell = (text: string): string[] => [`${text}1`, `${text}2`];

  it("spells and encodes a piece once, and gives its tokens each time", () => {
    const kept = model();
    keepPieces(kept, spell);
    for (let i = 0; i < 2; i++)
      expect(kept.encode(["a", "b", "a"])).toEqual(["<a1>", "<a2>", "<b1>", "<b2>", "<a1>", "<a2>"]);
    expect(kept.asked).toEqual(["a1", "a2", "b1", "b2"]);
  });

  it("keeps no long piece, and no more pieces than it may", () => {
    const kept = model();
    keepPieces(kept, (text) => [text]);
    const long = "x".repeat(65);
    for (let i = 0; i < 2; i++) kept.encode([long]);
    expect(kept.asked).toEqual([long, long]);
    kept.encode(Array.from({ length: (1 << 16) + 1 }, (_, i) => String(i)));
    kept.asked.length = 0;
    kept.encode(["0", String(1 << 16)]);
    expect(kept.asked).toEqual(["0"]);
  });
});
