/** What a base model is made of, by content. */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";

import { openGguf } from "../formats/gguf.js";
import { cachedSha256, sha256OfFile, sha256OfText } from "../formats/hash.js";
import type { ModelSource } from "./sources.js";
import type { ModelWeights } from "./weights.js";

/** A base whose files are open. */
export interface OpenBase {
  source: ModelSource;
  model: ModelWeights;
}

/** SHA-256 of everything of a base that decides a run's numbers. */
export interface BaseContents {
  /** Its files of weights. */
  weights: string;
  /** Its configuration, as it was understood. */
  architecture: string;
  /** Its tokenizer files, or the tokenizer's part of a GGUF. */
  tokenizer: string;
}

/** Every file of a Hugging Face folder that decides which ids a text becomes, and which of them end it. */
const TOKENIZER_FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "tekken.json",
  "generation_config.json",
];

/**
 * Weights are read whole, once: their hash is kept for as long as their files stay as they are.
 * @param onProgress told of every piece of the weights that was read
 * @throws IBertError naming the file that cannot be read
 */
export async function baseContents(
  { source, model }: OpenBase,
  onProgress?: (bytes: number, total: number) => void,
): Promise<BaseContents> {
  return {
    weights: await weightsSha256(model, onProgress),
    architecture: sha256OfText(JSON.stringify(model.config)),
    tokenizer: await tokenizerSha256(source),
  };
}

async function weightsSha256(
  model: ModelWeights,
  onProgress: (bytes: number, total: number) => void = () => undefined,
): Promise<string> {
  const tensors = model.names.map((name) => model.tensor(name));
  const total = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  let read = 0;
  const hashes: string[] = [];
  for (const path of new Set(tensors.map((tensor) => tensor.path))) {
    hashes.push(await cachedSha256(path, (bytes) => onProgress((read += bytes), total)));
  }
  return hashes.length === 1 ? (hashes[0] as string) : sha256OfText(hashes.join("\n"));
}

async function tokenizerSha256({ format, path }: ModelSource): Promise<string> {
  if (format === "gguf") {
    const own = [...openGguf(path).metadata].filter(([key]) => key.startsWith("tokenizer."));
    return sha256OfText(
      JSON.stringify(own, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value)),
    );
  }
  const files = TOKENIZER_FILES.map((name) => join(path, name)).filter((file) => existsSync(file));
  const hashes: string[] = [];
  for (const file of files) hashes.push(`${basename(file)} ${await sha256OfFile(file)}`);
  return sha256OfText(hashes.join("\n"));
}
