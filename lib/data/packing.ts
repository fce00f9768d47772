import { IBertError } from "../errors.js";
import type { TokenizedRow } from "./segments.js";

/** One training batch of exactly T tokens: whole rows end to end, then padding. */
export interface PackedBatch {
  /** (T) */
  tokens: Int32Array;
  /** (T) the id to predict at each position, the next one of the same row; −1 where nothing is learned. */
  targets: Int32Array;
  /** (T) place in the own row, from 0. */
  positions: Int32Array;
  /** (S + 1) where each sequence starts; the last is T. Padding is a sequence of its own, without targets. */
  sequenceOffsets: Int32Array;
  /** Targets that are not −1. */
  supervisedTokens: number;
  /** Tokens that are not padding. */
  usedTokens: number;
  /** The rows, in their order. */
  rows: readonly TokenizedRow[];
}

export interface PackingOptions {
  /** T */
  tokenBudget: number;
  /** The longest row that the model takes; at most the budget (default: the budget). */
  maxRowTokens?: number;
  /** What becomes of a longer row. */
  onTooLong: "error" | "skip";
  padId: number;
}

/** Next row of an endless or ended stream. */
export type NextRow = () => TokenizedRow | undefined;

/** Rows that are held back to fill a gap; more pack tighter, fewer keep closer to the drawn order. */
const LOOKAHEAD = 16;

/**
 * Fills batches first-fit from a short queue of rows: the oldest row always goes in first, then each later one that
 * still fits. Deterministic in the order of the rows; the queue is part of a cursor's state.
 */
export class Packer {
  private queue: TokenizedRow[] = [];
  private readonly longest: number;
  /** Rows left out because they are too long. */
  skipped = 0;

  constructor(private readonly options: PackingOptions) {
    this.longest = Math.min(options.maxRowTokens ?? options.tokenBudget, options.tokenBudget);
    if (!Number.isInteger(options.tokenBudget) || options.tokenBudget < 2) {
      throw new IBertError(
        "token-budget",
        `token budget ${options.tokenBudget}: must be a whole number of at least 2`,
      );
    }
  }

  /** Numbers of the rows that are drawn but not yet packed, oldest first. */
  pending(): number[] {
    return this.queue.map(({ row }) => row);
  }

  /** Takes up the rows that `pending` named. */
  restore(rows: readonly TokenizedRow[], skipped: number): void {
    this.queue = [...rows];
    this.skipped = skipped;
  }

  /**
   * The next batch; undefined when the stream has ended and all its rows are packed.
   * @throws IBertError `row-too-long` naming row, length and limit, unless such rows are skipped.
   */
  next(draw: NextRow): PackedBatch | undefined {
    this.fill(draw);
    const chosen: TokenizedRow[] = [];
    let room = this.options.tokenBudget;
    for (let i = 0; i < this.queue.length;) {
      const row = this.queue[i] as TokenizedRow;
      if (row.ids.length <= room) {
        chosen.push(row);
        room -= row.ids.length;
        this.queue.splice(i, 1);
        this.fill(draw);
      } else i++;
    }
    return chosen.length === 0 ? undefined : packRows(chosen, this.options.tokenBudget, this.options.padId);
  }

  private fill(draw: NextRow): void {
    // A stream of only too-long rows would otherwise be drawn from for ever.
    let skippedInARow = 0;
    while (this.queue.length < LOOKAHEAD) {
      const row = draw();
      if (row === undefined) return;
      if (row.ids.length <= this.longest) {
        this.queue.push(row);
        skippedInARow = 0;
        continue;
      }
      this.skipped++;
      if (this.options.onTooLong === "error" || ++skippedInARow > 10_000) {
        throw rowTooLong(row, this.longest);
      }
    }
  }
}

export function rowTooLong(row: TokenizedRow, longest: number, where?: string): IBertError {
  return new IBertError(
    "row-too-long",
    `${where === undefined ? "" : `${where}: `}row ${row.id}: ${row.ids.length} tokens, more than the ${longest} that a row may have`,
    { hint: "Raise the token budget or the context, or set the option to skip such rows." },
  );
}

/** Lays rows end to end; they must fit. */
export function packRows(rows: readonly TokenizedRow[], tokenBudget: number, padId: number): PackedBatch {
  const used = rows.reduce((sum, row) => sum + row.ids.length, 0);
  if (used > tokenBudget) {
    throw new IBertError("token-budget", `rows of ${used} tokens do not fit a budget of ${tokenBudget}`);
  }
  const tokens = new Int32Array(tokenBudget).fill(padId);
  const targets = new Int32Array(tokenBudget).fill(-1);
  const positions = new Int32Array(tokenBudget);
  const offsets = [0];
  let supervisedTokens = 0;
  let at = 0;
  for (const { ids, promptLength } of rows) {
    tokens.set(ids, at);
    // Position i predicts i + 1: the last prompt token is the first that learns, the end of sequence predicts nothing.
    for (let i = promptLength - 1; i < ids.length - 1; i++) targets[at + i] = ids[i + 1] as number;
    supervisedTokens += ids.length - promptLength;
    for (let i = 0; i < ids.length; i++) positions[at + i] = i;
    at += ids.length;
    offsets.push(at);
  }
  if (at < tokenBudget) {
    for (let i = at; i < tokenBudget; i++) positions[i] = i - at;
    offsets.push(tokenBudget);
  }
  return {
    tokens,
    targets,
    positions,
    sequenceOffsets: Int32Array.from(offsets),
    supervisedTokens,
    usedTokens: used,
    rows,
  };
}
