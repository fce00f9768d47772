import { gguf, ggufSplit } from "./gguf.js";
import { adapter, config, params, tekken, tokenizer } from "./models.js";
import { safetensors } from "./safetensors.js";
import type { Target } from "./target.js";

/** The readers under attack, by name. */
export const TARGETS: Readonly<Record<string, Target>> = {
  safetensors,
  gguf,
  "gguf-split": ggufSplit,
  tekken,
  tokenizer,
  adapter,
  config,
  params,
};
