/** Where texts end: a model may declare it in its configuration, for generation alone, and with its tokenizer. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

import { readJson } from "../formats/json.js";
import type { ModelConfig } from "./config.js";
import type { Tokenizer } from "./tokenizer.js";

/** Token ids in a value of `eos_token_id`: one, a list, or none. */
export function idsIn(value: unknown): number[] {
  return [value].flat(2).filter((id): id is number => Number.isInteger(id) && (id as number) >= 0);
}

/** The ids of the `eos_token_id` in `generation_config.json` beside a `config.json`; none where that file is odd. */
export function generationEnds(configPath: string): number[] {
  const path = join(dirname(configPath), "generation_config.json");
  if (!existsSync(path)) return [];
  try {
    return idsIn((readJson(path) as { eos_token_id?: unknown } | null)?.eos_token_id);
  } catch {
    // It holds defaults of other programs; a model loads without them.
    return [];
  }
}

/** Every id at which a text of this model ends: what its configuration and its tokenizer declare, together. */
export const stopIds = (config: Pick<ModelConfig, "eosIds">, tokenizer: Tokenizer): number[] => [
  ...new Set([...config.eosIds, ...tokenizer.endIds]),
];
