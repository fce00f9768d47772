/** Token ids against the embedding: each id needs a row. More rows than tokens are padding. */
import { IBertError } from "../errors.js";
import type { ModelConfig } from "./config.js";
import type { Tokenizer } from "./tokenizer.js";

/** Ids among which the first token without a row is looked for. */
const SEARCHED = 1 << 16;

/**
 * Refuses a tokenizer with a token that the model has no embedding for.
 * @param path names the model in errors
 * @throws IBertError `token-without-row` naming the first such token, its id and the number of rows
 */
export function requireRows(tokenizer: Tokenizer, { vocabSize: rows }: ModelConfig, path: string): void {
  if (tokenizer.vocabSize <= rows) return;
  const last = tokenizer.vocabSize - 1;
  for (let id = rows; id <= last; id++) {
    // Beyond a long gap it is the last one that is named.
    if (id === rows + SEARCHED) id = Math.max(id, last);
    const token = tokenizer.decode([id]);
    if (token === "" && id < last) continue;
    throw new IBertError(
      "token-without-row",
      `${path}: token ${JSON.stringify(token)} has the id ${id}, but the embedding has ${rows} rows (ids 0 to ${rows - 1})`,
      {
        hint: "Use the tokenizer that the model was saved with, or enlarge the embedding (resize_token_embeddings in transformers) and train it.",
      },
    );
  }
}
