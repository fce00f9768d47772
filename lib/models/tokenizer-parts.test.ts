/** Every part of a tokenizer.json gives the Rust library's ids, or is refused by name. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { readJson } from "../formats/json.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { loadTokenizer } from "./load-tokenizer.js";
import type { Tokenizer } from "./tokenizer.js";

type Json = Record<string, unknown>;
interface Golden {
  texts: string[];
  bases: Record<string, Json & { model: Json; added_tokens: { content: string }[] }>;
  cases: Record<string, { base: string; change: Json; ids: number[][]; decoded: string[] }>;
}

const { texts, bases, cases } = readJson(
  fileURLToPath(new URL("goldens/tokenizer-parts.json", import.meta.url)),
) as Golden;

/** What the JavaScript library does otherwise and nothing here mends, as the error names it. */
const REFUSED: Record<string, string> = {
  BertPreTokenizer: 'pre_tokenizer "BertPreTokenizer"',
  FixedLength: 'pre_tokenizer "FixedLength"',
  "Metaspace split, always": "Metaspace with split",
  "Metaspace split, first": "Metaspace with split",
  "Metaspace split, never": "Metaspace with split",
  "Metaspace with its decoder, never": 'decoder Metaspace with prepend_scheme "never"',
  "Punctuation, MergedWithNext": 'Punctuation with behavior "MergedWithNext"',
  "Punctuation, MergedWithPrevious": 'Punctuation with behavior "MergedWithPrevious"',
  "Punctuation, Removed": 'Punctuation with behavior "Removed"',
  "Split inverted, Contiguous": 'Split with behavior "Contiguous" and invert',
  "Split inverted, Isolated": 'Split with behavior "Isolated" and invert',
  "Split inverted, MergedWithNext": 'Split with behavior "MergedWithNext" and invert',
  "Split inverted, MergedWithPrevious": 'Split with behavior "MergedWithPrevious" and invert',
  "Split of a pattern, Contiguous": 'Split with behavior "Contiguous"',
  "Split of a pattern, MergedWithNext": 'Split with behavior "MergedWithNext"',
  "Split of a pattern, MergedWithPrevious": 'Split with behavior "MergedWithPrevious"',
  "Split of a pattern, Removed": 'Split with behavior "Removed"',
  "Split, Contiguous": 'Split with behavior "Contiguous"',
  "Split, MergedWithNext": 'Split with behavior "MergedWithNext"',
  "Split, MergedWithPrevious": 'Split with behavior "MergedWithPrevious"',
  "Split, Removed": 'Split with behavior "Removed"',
  "added token with single_word": 'single_word of the added token "<t>"',
  "normalizer BertNormalizer": 'normalizer "BertNormalizer"',
  "normalizer Lowercase": 'normalizer "Lowercase"',
  "normalizer Replace by a dollar": 'normalizer Replace with content "$&"',
};

function load(name: string): Tokenizer {
  const { base, change } = cases[name] as Golden["cases"][string];
  const start = bases[base] as Golden["bases"][string];
  const json = {
    ...start,
    ...change,
    model: { ...start.model, ...(change.model as Json | undefined) },
    added_tokens: [...start.added_tokens, ...((change.added_tokens ?? []) as Json[])],
  };
  const path = temporaryFolder();
  writeFileSync(join(path, "tokenizer.json"), JSON.stringify(json));
  const eos = start.added_tokens[0]?.content;
  writeFileSync(join(path, "tokenizer_config.json"), JSON.stringify({ eos_token: eos }));
  return loadTokenizer({ format: "huggingface", path });
}

describe("tokenizer.json", () => {
  it.each(Object.keys(cases).filter((name) => !(name in REFUSED)))("reads %s as Rust does", (name) => {
    const tokenizer = load(name);
    const { ids, decoded } = cases[name] as Golden["cases"][string];
    texts.forEach((text, i) => {
      // The second time its pieces are known.
      for (let time = 0; time < 2; time++) expect(tokenizer.encode(text), text).toEqual(ids[i]);
      expect(tokenizer.decode(ids[i] ?? []), text).toBe(decoded[i]);
    });
  });

  it.each(Object.entries(REFUSED))("refuses %s", (name, named) => {
    expect(() => load(name)).toThrow(
      expect.objectContaining({
        code: "tokenizer-unsupported",
        message: expect.stringContaining(named) as string,
      }),
    );
  });
});
