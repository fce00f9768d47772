/**
 * The decoder for generation: one step takes any mix of rows (whole prompts and next tokens of several sequences with
 * their adapters), stores their keys and values, and draws the tokens that follow.
 */
import type { ModelConfig } from "../models/config.js";
import type { DecoderWeights } from "../models/device-weights.js";
import { DecoderGraph, type GraphAdapters } from "../models/graph.js";
import type { Pass } from "../models/layer.js";
import type { Arena } from "../runtime/arena.js";
import type { Device } from "../runtime/device.js";
import { EXACT_ROWS } from "../runtime/ops.generated.js";
import { Recordings } from "../runtime/recordings.js";
import type { Tensor } from "../runtime/tensor.js";
import { Drawer } from "./drawing.js";
import { KvCache, type CachedSequence, type KvCacheOptions } from "./kv-cache.js";

export interface EngineOptions {
  activations: "bf16" | "f32";
  /** Storage of keys and values; default that of the activations. */
  cache?: KvCacheOptions["dtype"] | undefined;
  /** Rows that one step may take. */
  maxRows: number;
  /** Sequences that one step may take. */
  maxSequences: number;
  /** Positions of all live sequences together. */
  maxPositions: number;
  /**
   * Whether recorded steps are filled up to the next power of two with rows that do nothing, so that there are few
   * recordings; default what the device asks for (`DeviceInfo.roundsRows`). No bit of any text changes.
   */
  roundRows?: boolean | undefined;
}

/** The adapters that an engine can answer with; a row names one by its number. */
export interface ServedAdapters extends GraphAdapters {
  readonly count: number;
}

/** New tokens of one sequence. */
export interface StepInput {
  sequence: CachedSequence;
  tokens: readonly number[];
  /** Number of the adapter, -1 for none. */
  adapter: number;
  /** The last so many tokens have their successor drawn; 0 in the middle of a prompt. */
  outputs: number;
}

/** Steps of so few rows come often, and always the same: their ops are recorded. A power of two, as is EXACT_ROWS. */
const RECORDED_ROWS = 32;
const MOST_RECORDINGS = 64;

/** What a step is told of each row: token, position, slot in the cache, sequence, adapter. */
const ROW_INDICES = 5;

export class InferenceEngine implements Disposable {
  readonly cache: KvCache;
  /** Outputs that one step may have. */
  readonly maxOutputs: number;
  private readonly arena: Arena;
  /** Columns of the block table: blocks that one sequence may have. */
  private readonly tableWidth: number;
  /** All that a step uploads: ROW_INDICES rows as long as the step, the rows with outputs, the block table. */
  private readonly indices: Tensor;
  /** (maxOutputs, V) */
  private readonly logits: Tensor;
  /** Draws the successors of the last step's outputs. */
  readonly drawer: Drawer;
  private readonly recordings: Recordings;

  readonly device: Device;
  readonly config: ModelConfig;
  private readonly weights: DecoderWeights;
  private graph: DecoderGraph;

  /** @param model a `ModelSession` */
  constructor(
    model: { device: Device; config: ModelConfig; weights: DecoderWeights },
    private served: ServedAdapters | undefined,
    readonly options: EngineOptions,
  ) {
    const { device, config } = model;
    this.device = device;
    this.config = config;
    this.weights = model.weights;
    this.graph = this.graphOn(device);
    this.recordings = new Recordings(device, MOST_RECORDINGS);
    const blocks = KvCache.blocksFor(options.maxPositions) + options.maxSequences;
    this.tableWidth = Math.min(blocks, KvCache.blocksFor(config.contextLength));
    this.cache = new KvCache(device, config, { blocks, dtype: options.cache ?? options.activations });
    this.maxOutputs = Math.min(options.maxRows, Math.max(options.maxSequences, EXACT_ROWS));
    this.indices = device.empty([this.indexCount(options.maxRows, this.maxOutputs)], "i32");
    this.logits = device.empty([this.maxOutputs, config.vocabSize], "f32");
    this.drawer = new Drawer(device, this.logits);
    this.arena = device.arena("inference", this.planArena());
  }

  get adapters(): ServedAdapters | undefined {
    return this.served;
  }

  /**
   * Answers with other adapters from now on, and forgets the prompts that were computed with the old ones, which are the
   * caller's to free. Between two steps, while no sequence goes on. What a step takes of the arena stays the same.
   */
  serve(adapters: ServedAdapters | undefined): void {
    this.recordings.dispose();
    this.cache.forget();
    this.served = adapters;
    this.graph = this.graphOn(this.device);
  }

  /** Enqueues one step. The sequences grow by the tokens given. */
  step(inputs: readonly StepInput[]): void {
    const rows = inputs.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const outputs = inputs.reduce((sum, input) => sum + input.outputs, 0);
    const { maxRows, maxSequences } = this.options;
    if (rows > maxRows || inputs.length > maxSequences || rows === 0) {
      throw new RangeError(`a step takes 1 to ${maxRows} rows of at most ${maxSequences} sequences`);
    }
    if (outputs > this.maxOutputs) throw new RangeError(`a step has at most ${this.maxOutputs} outputs`);
    if (rows > RECORDED_ROWS) {
      const values = this.indexValues(inputs, rows, outputs);
      this.device.write(this.indices.view([values.length]), values);
      return this.enqueue(rows, outputs);
    }
    const [allRows, allOutputs] = [this.rounded(rows, maxRows), this.rounded(outputs, this.maxOutputs)];
    const values = this.indexValues(inputs, allRows, allOutputs);
    const { recording, views } = this.recordings.repeat(
      `step ${allRows} ${allOutputs}`,
      () => [this.indices.view([values.length])],
      () => this.enqueue(allRows, allOutputs),
    );
    this.device.write(views[0] as Tensor, values);
    this.device.replay(recording);
  }

  /** Logits (rows, V) float32 of the last step's outputs from `first` on, valid until the next step. */
  logitsOf(first: number, rows: number): Tensor {
    const { vocabSize } = this.config;
    return this.logits.view([rows, vocabSize], first * vocabSize);
  }

  dispose(): void {
    this.recordings.dispose();
    this.cache.dispose();
    this.arena.free();
    this.drawer.dispose();
    for (const tensor of [this.indices, this.logits]) this.device.free(tensor);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private indexCount(rows: number, outputs: number): number {
    return ROW_INDICES * rows + outputs + this.options.maxSequences * this.tableWidth;
  }

  /** How many rows stand for `count`. EXACT_ROWS is never crossed. */
  private rounded(count: number, most: number): number {
    if (count === 0 || !(this.options.roundRows ?? this.device.info.roundsRows)) return count;
    return Math.min(2 ** Math.ceil(Math.log2(count)), most);
  }

  /** What a step is told. Rows that no input fills repeat position 0 of the first sequence, write nothing and have no adapter. */
  private indexValues(inputs: readonly StepInput[], rows: number, outputs: number): Int32Array {
    const values = new Int32Array(this.indexCount(rows, outputs));
    let row = 0;
    let output = ROW_INDICES * rows;
    let table = output + outputs;
    for (const [s, { sequence, tokens, adapter, outputs: last }] of inputs.entries()) {
      const start = sequence.length;
      const slots = this.cache.append(sequence, tokens.length);
      for (let i = 0; i < tokens.length; i++, row++) {
        values[row] = tokens[i] as number;
        values[rows + row] = start + i;
        values[2 * rows + row] = slots[i] as number;
        values[3 * rows + row] = s;
        values[4 * rows + row] = adapter;
      }
      for (let i = last; i > 0; i--) values[output++] = row - i;
      values.set(sequence.blocks, table);
      table += this.tableWidth;
    }
    values.fill(-1, 2 * rows + row, 3 * rows);
    values.fill(-1, 4 * rows + row, 5 * rows);
    return values;
  }

  private graphOn(device: Device): DecoderGraph {
    return new DecoderGraph(device, this.config, this.weights, this.served, this.options.activations);
  }

  /** Runs the largest step on the planned device: its peak is what the arena needs. */
  private planArena(): number {
    const planned = this.device.plan();
    const arena = planned.arena("inference");
    this.enqueue(this.options.maxRows, this.maxOutputs, this.graphOn(planned), arena);
    return arena.peak;
  }

  private enqueue(rows: number, outputs: number, graph = this.graph, arena = this.arena): void {
    const { indices } = this;
    const [ids, rowPosition, cacheSlots, rowSequence, adapterOfRow] = Array.from(
      { length: ROW_INDICES },
      (_, i) => indices.view([rows], i * rows),
    ) as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const afterRows = ROW_INDICES * rows;
    const blockTable = indices.view([this.options.maxSequences, this.tableWidth], afterRows + outputs);
    const { heads, kvHeads, headDim, hiddenSize } = graph.config;
    const shape = { heads, kvHeads, headDim };
    const { ops } = graph.device;

    arena.scope(() => {
      // Keys and values go into the cache, where each row finds all those of its sequence.
      const attend: Pass["attend"] = (layer, qkv, y) => {
        const caches = {
          kCache: this.cache.keys[layer] as Tensor,
          vCache: this.cache.values[layer] as Tensor,
        };
        ops.kvCacheWrite({ qkv, slots: cacheSlots, ...caches, ...shape });
        const scale = 1 / Math.sqrt(headDim);
        ops.pagedAttention({ qkv, ...caches, blockTable, rowSequence, rowPosition, y, ...shape, scale });
      };
      const pass = {
        cosSin: graph.ropeTable(rowPosition, arena),
        queryScale: graph.queryScale(rowPosition, arena),
        adapterOfRow,
        attend,
      };
      const h = graph.embed(ids, arena);
      for (const layer of graph.layers) layer.forward(h, pass, arena);
      if (outputs === 0) return;
      const lastHidden = arena.tensor([outputs, hiddenSize], "f32");
      ops.gatherRows({ source: h, rows: indices.view([outputs], afterRows), target: lastHidden });
      graph.logits(lastHidden, this.logitsOf(0, outputs), arena);
    });
  }
}
