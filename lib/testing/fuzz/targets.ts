import { gguf, ggufSplit } from "./gguf.js";
import { adapter, config, params, tekken, tokenizer } from "./models.js";
import { nativeTarget } from "./native.js";
import { safetensors } from "./safetensors.js";
import type { Target } from "./target.js";

/** The readers under attack, by name. */
export const READERS: Readonly<Record<string, Target>> = {
  safetensors,
  gguf,
  "gguf-split": ggufSplit,
  tekken,
  tokenizer,
  adapter,
  config,
  params,
};

/** The addon's boundary, over each backend that computes on the host. @param file the addon */
export const boundaries = (file: string): Readonly<Record<string, Target>> => ({
  native: nativeTarget(file, "cpu"),
  "native-reference": nativeTarget(file, "reference"),
});
