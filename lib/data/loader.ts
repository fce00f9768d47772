import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";

import { IBertError } from "../errors.js";
import { Packer, rowTooLong, type PackedBatch, type PackingOptions } from "./packing.js";
import { TaskSampler, type SamplerState, type TaskWeights } from "./sampler.js";
import { tokenizeRow, type RowFormat, type SegmentTokenizer, type TokenizedRow } from "./segments.js";
import { TASK_TYPES, type Row, type Rows, type TaskType } from "./tasks.js";

export interface LoaderOptions extends Omit<PackingOptions, "padId"> {
  seed: number;
  weights: TaskWeights;
}

export interface TaskShare {
  rows: number;
  tokens: number;
  supervisedTokens: number;
}

export interface LoaderState {
  sampler: SamplerState;
  /** Numbers of the rows that are drawn but not yet in a batch. */
  pending: number[];
  skipped: number;
  shares: Record<TaskType, TaskShare>;
}

const noShares = (): Record<TaskType, TaskShare> =>
  Object.fromEntries(TASK_TYPES.map((task) => [task, { rows: 0, tokens: 0, supervisedTokens: 0 }])) as Record<
    TaskType,
    TaskShare
  >;

function sharesShorter(rows: readonly number[], lengths: Uint32Array): Float32Array {
  const sorted = Uint32Array.from(rows, (row) => lengths[row] ?? 0).sort();
  const first = new Map<number, number>();
  for (const [i, length] of sorted.entries()) if (!first.has(length)) first.set(length, i);
  return Float32Array.from(rows, (row) => (first.get(lengths[row] ?? 0) ?? 0) / rows.length);
}

/** Milliseconds of work between two looks at what else there is to do. */
const TURN_MS = 50;

/**
 * An endless stream of packed batches; after `restore(state())` it goes on with the very next one. Rows are tokenised
 * when they are drawn, so their number costs no memory.
 */
export class DataLoader {
  private readonly packer: Packer;
  private readonly sampler: TaskSampler;
  private shares = noShares();

  private constructor(
    private readonly tokenized: (row: number) => TokenizedRow,
    private readonly rowsOf: ReadonlyMap<TaskType, readonly number[]>,
    private readonly length: number,
    /** For each row of a task the share of its rows that are shorter. */
    private readonly shorter: ReadonlyMap<TaskType, Float32Array>,
    /** SHA-256 of all rows as token ids: what the model is taught, whatever text and tokenizer it came from. */
    readonly tokensSha256: string,
    /** Tokens of the longest row that is not left out. */
    readonly longestRow: number,
    options: LoaderOptions & PackingOptions,
  ) {
    this.packer = new Packer(options);
    const sizes = Object.fromEntries([...rowsOf].map(([task, list]) => [task, list.length]));
    this.sampler = new TaskSampler(options.seed, sizes, options.weights);
  }

  /**
   * Tokenises every row once, so that one that cannot be used is an error now.
   * @throws IBertError `corpus-empty`; `row-unsupervised`, `row-no-prompt` and `row-holds-stop` naming the row; those of `TaskSampler`;
   * `row-too-long` at once when a row is too long and such rows are errors.
   */
  static async open(
    rows: Rows,
    tokenizer: SegmentTokenizer,
    format: RowFormat,
    options: LoaderOptions & { onProgress?: (rows: number, total: number) => void },
  ): Promise<DataLoader> {
    if (rows.length === 0) {
      throw new IBertError("corpus-empty", "the corpus is empty: there is no row to train on", {
        hint: "Build one: npx ibert data build",
      });
    }
    const tokenized = (row: number): TokenizedRow =>
      tokenizeRow(rows.at(row) as Row, tokenizer, format, { row, where: rows.where?.(row) });
    const longest = Math.min(options.maxRowTokens ?? options.tokenBudget, options.tokenBudget);
    const rowsOf = new Map<TaskType, number[]>();
    const lengths = new Uint32Array(rows.length);
    const hash = createHash("sha256");
    let usable = 0;
    let longestRow = 0;
    let turn = performance.now();
    for (let row = 0; row < rows.length; row++) {
      const { ids, promptLength, task, ...rest } = tokenized(row);
      if (ids.length <= longest) {
        usable++;
        longestRow = Math.max(longestRow, ids.length);
      } else if (options.onTooLong === "error") {
        throw rowTooLong({ ids, promptLength, task, ...rest }, longest, rows.where?.(row));
      }
      lengths[row] = ids.length;
      hash.update(Int32Array.of(ids.length, promptLength)).update(ids);
      const sameTask = rowsOf.get(task);
      if (sameTask === undefined) rowsOf.set(task, [row]);
      else sameTask.push(row);
      if (performance.now() - turn > TURN_MS) {
        await setImmediate();
        options.onProgress?.(row + 1, rows.length);
        turn = performance.now();
      }
    }
    if (usable === 0) {
      throw new IBertError(
        "corpus-empty",
        `every row has more than the ${longest} tokens that a row may have`,
        {
          hint: "Raise the token budget or the context.",
        },
      );
    }
    const shorter = new Map([...rowsOf].map(([task, own]) => [task, sharesShorter(own, lengths)]));
    return new DataLoader(tokenized, rowsOf, rows.length, shorter, hash.digest("hex"), longestRow, {
      ...options,
      padId: tokenizer.eosId,
    });
  }

  /**
   * The next batch of exactly `tokenBudget` tokens.
   * @param shortest draw only from this share of each task's rows, the shortest ones (default 1: all)
   */
  next(shortest = 1): PackedBatch {
    const batch = this.packer.next(() => {
      const { task, index } = this.sampler.next(
        (task, index) => shortest >= 1 || (this.shorter.get(task)?.[index] ?? 0) < shortest,
      );
      return this.tokenized(this.rowsOf.get(task)?.[index] as number);
    }) as PackedBatch;
    for (const row of batch.rows) {
      const share = this.shares[row.task];
      share.rows++;
      share.tokens += row.ids.length;
      share.supervisedTokens += row.ids.length - row.promptLength;
    }
    return batch;
  }

  /** What the batches so far were made of. */
  realisedShares(): Record<TaskType, TaskShare> {
    return structuredClone(this.shares);
  }

  /** Draws left out because the row is too long. */
  get skippedRows(): number {
    return this.packer.skipped;
  }

  state(): LoaderState {
    return {
      sampler: this.sampler.state(),
      pending: this.packer.pending(),
      skipped: this.packer.skipped,
      shares: this.realisedShares(),
    };
  }

  /** @throws IBertError `data-state` when the state is of another corpus or other weights. */
  restore(state: LoaderState): void {
    const beyond = state.pending.find((row) => row >= this.length);
    if (beyond !== undefined) {
      throw new IBertError("data-state", `the saved data cursor names row ${beyond} of ${this.length}`, {
        hint: "Resume with the corpus of the unbroken run.",
      });
    }
    this.sampler.restore(state.sampler);
    this.packer.restore(state.pending.map(this.tokenized), state.skipped);
    this.shares = structuredClone(state.shares);
  }
}
