import { existsSync } from "node:fs";
import { join } from "node:path";

import { IBertError } from "../errors.js";
import { openGguf } from "../formats/gguf.js";
import { withSmallYoungGeneration } from "../runtime/memory.js";
import type { ModelSource } from "./sources.js";
import { tokenizerFromGguf } from "./tokenizer-gguf.js";
import { tokenizerFromFolder } from "./tokenizer-json.js";
import { openTekken } from "./tekken.js";
import type { Tokenizer } from "./tokenizer.js";

/**
 * The tokenizer that comes with a base model: in the GGUF's metadata, or as `tokenizer.json` or `tekken.json`.
 * @throws IBertError naming the file, where there is none or it is of an unknown kind.
 */
export function loadTokenizer(source: Pick<ModelSource, "format" | "path">): Tokenizer {
  return withSmallYoungGeneration(() => readTokenizer(source));
}

function readTokenizer(source: Pick<ModelSource, "format" | "path">): Tokenizer {
  if (source.format === "gguf") return tokenizerFromGguf(openGguf(source.path));
  if (existsSync(join(source.path, "tokenizer.json"))) return tokenizerFromFolder(source.path);
  const tekken = join(source.path, "tekken.json");
  if (existsSync(tekken)) return openTekken(tekken);
  throw new IBertError(
    "tokenizer-missing",
    `${source.path}: neither tokenizer.json nor tekken.json is here`,
    {
      hint: "Fetch the model's tokenizer beside its weights.",
    },
  );
}
