import { IBertError } from "../errors.js";
import { Packer, rowTooLong, type PackedBatch, type PackingOptions } from "./packing.js";
import { TaskSampler, type SamplerState, type TaskWeights } from "./sampler.js";
import { tokenizeRow, type PromptFormatter, type SegmentTokenizer, type TokenizedRow } from "./segments.js";
import { TASK_TYPES, type Row, type TaskType } from "./tasks.js";

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
  /** Rows drawn but not yet in a batch. */
  pending: string[];
  skipped: number;
  shares: Record<TaskType, TaskShare>;
}

const noShares = (): Record<TaskType, TaskShare> =>
  Object.fromEntries(TASK_TYPES.map((task) => [task, { rows: 0, tokens: 0, supervisedTokens: 0 }])) as Record<
    TaskType,
    TaskShare
  >;

/** An endless stream of packed batches; after `restore(state())` it goes on with the very next one. */
export class DataLoader {
  private readonly rowsOf = new Map<TaskType, TokenizedRow[]>();
  private readonly rowById = new Map<string, TokenizedRow>();
  private readonly sampler: TaskSampler;
  private readonly packer: Packer;
  private shares = noShares();

  /**
   * @throws IBertError `corpus_empty`; `row_unsupervised` and `row_no_prompt` naming the row; those of `TaskSampler`;
   * `row_too_long` at once when a row is too long and such rows are errors.
   */
  constructor(
    rows: readonly Row[],
    tokenizer: SegmentTokenizer,
    format: PromptFormatter,
    options: LoaderOptions,
  ) {
    if (rows.length === 0) {
      throw new IBertError("corpus_empty", "the corpus is empty: there is no row to train on", {
        hint: "Build one: npx ibert data build",
      });
    }
    this.packer = new Packer({ ...options, padId: tokenizer.eosId });
    const longest = Math.min(options.maxRowTokens ?? options.tokenBudget, options.tokenBudget);
    let usable = 0;
    for (const row of rows) {
      const tokenized = tokenizeRow(row, tokenizer, format);
      if (tokenized.ids.length <= longest) usable++;
      else if (options.onTooLong === "error") throw rowTooLong(tokenized, longest);
      const sameTask = this.rowsOf.get(row.task);
      if (sameTask === undefined) this.rowsOf.set(row.task, [tokenized]);
      else sameTask.push(tokenized);
      this.rowById.set(row.id, tokenized);
    }
    if (usable === 0) {
      throw new IBertError(
        "corpus_empty",
        `every row has more than the ${longest} tokens that a row may have`,
        {
          hint: "Raise the token budget or the context.",
        },
      );
    }
    const sizes = Object.fromEntries([...this.rowsOf].map(([task, list]) => [task, list.length]));
    this.sampler = new TaskSampler(options.seed, sizes, options.weights);
  }

  /** The next batch of exactly `tokenBudget` tokens. */
  next(): PackedBatch {
    const batch = this.packer.next(() => {
      const { task, index } = this.sampler.next();
      return this.rowsOf.get(task)?.[index];
    }) as PackedBatch;
    for (const id of batch.rowIds) {
      const row = this.rowById.get(id) as TokenizedRow;
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

  /** @throws IBertError `data_state` when the state is of another corpus or other weights. */
  restore(state: LoaderState): void {
    const pending = state.pending.map((id) => {
      const row = this.rowById.get(id);
      if (row === undefined) {
        throw new IBertError(
          "data_state",
          `the saved data cursor names row ${id}, which this corpus has not`,
          {
            hint: "Resume with the corpus of the unbroken run.",
          },
        );
      }
      return row;
    });
    this.sampler.restore(state.sampler);
    this.packer.restore(pending, state.skipped);
    this.shares = structuredClone(state.shares);
  }
}
