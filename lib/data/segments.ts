import { IBertError } from "../errors.js";
import type { Row, TaskFormat, TaskType } from "./tasks.js";

/** What the data needs of a tokenizer. */
export interface SegmentTokenizer {
  /** Token ids without special tokens. */
  encode(text: string): ArrayLike<number>;
  readonly eosId: number;
  /** Stands before every prompt, where the model was trained with it. */
  readonly bosId?: number;
  /** Rows of the model's embedding, where a model is at hand. */
  readonly rows?: number;
  /** The text of one id, for errors. */
  readonly textOf?: (id: number) => string;
}

/** A row as ids. Prompt and completion are tokenised apart, so the boundary is the same as when generating. */
export interface TokenizedRow {
  id: string;
  /** Its place among its rows, from 0. */
  row: number;
  task: TaskType;
  /** Prompt ids, completion ids, end of sequence. */
  ids: Int32Array;
  /** Ids before this one are given, this one and later ones are learned. */
  promptLength: number;
}

/** A row among others, for `tokenizeRow`. */
export interface RowPlace {
  /** From 0. */
  row: number;
  /** What errors name before the id: `file:line`. */
  where?: string | undefined;
}

/** What becomes of a row when it is learned. */
export type RowFormat = Pick<TaskFormat, "prompt" | "completion" | "stop">;

/**
 * @throws IBertError `row-unsupervised` when the completion has no token, `row-no-prompt` when the prompt has none
 * (its first token would have no position to be predicted from), `row-holds-stop` when an answer would end before it,
 * `token-without-row` when the embedding has no row for a token.
 */
export function tokenizeRow(
  row: Row,
  tokenizer: SegmentTokenizer,
  format: RowFormat,
  place: RowPlace = { row: 0 },
): TokenizedRow {
  const named = `${place.where === undefined ? "" : `${place.where}: `}row ${row.id}`;
  const text = tokenizer.encode(format.prompt(row.task, row.fields));
  const prompt = tokenizer.bosId === undefined ? text : [tokenizer.bosId, ...Array.from(text)];
  const answer = format.completion(row.task, row.fields, row.completion);
  const stop = format.stop(row.task).find((text) => answer.includes(text));
  if (stop !== undefined) {
    throw new IBertError(
      "row-holds-stop",
      `${named}: the completion holds ${JSON.stringify(stop)}, at which an answer of ${row.task} ends`,
      { hint: "The model could never give this answer whole; take that text out of the completion." },
    );
  }
  const completion = tokenizer.encode(answer);
  if (completion.length === 0) {
    throw new IBertError("row-unsupervised", `${named}: the completion has no token to learn from`, {
      hint: "Give the row a completion, or take it out of the corpus.",
    });
  }
  if (prompt.length === 0) {
    throw new IBertError("row-no-prompt", `${named}: the prompt has no token`, {
      hint: "The template of the task must hold more than an empty input.",
    });
  }
  const ids = new Int32Array(prompt.length + completion.length + 1);
  ids.set(prompt, 0);
  ids.set(completion, prompt.length);
  ids[ids.length - 1] = tokenizer.eosId;
  const { rows = Infinity, textOf } = tokenizer;
  const beyond = ids.find((id) => id >= rows);
  if (beyond !== undefined) {
    const token = textOf === undefined ? "a token" : `token ${JSON.stringify(textOf(beyond))}`;
    throw new IBertError(
      "token-without-row",
      `${named}: ${token} has the id ${beyond}, but the embedding has ${rows} rows`,
      { hint: "Use the tokenizer that the model was saved with." },
    );
  }
  return { id: row.id, row: place.row, task: row.task, ids, promptLength: prompt.length };
}
