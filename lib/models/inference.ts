/**
 * The decoder for generation: one step takes any mix of rows (whole prompts and single next tokens of several
 * sequences), stores their keys and values, and gives the logits after the last row of each sequence.
 */
import type { Arena } from "../runtime/arena.js";
import type { Device } from "../runtime/device.js";
import type { Tensor } from "../runtime/tensor.js";
import type { ModelConfig } from "./config.js";
import type { DecoderWeights, LayerWeights } from "./device-weights.js";
import { KvCache, type CachedSequence } from "./kv-cache.js";
import type { LinearGroup } from "./linears.js";
import type { LoraAdapter } from "./lora.js";

export interface InferenceOptions {
  activations: "bf16" | "f32";
  /** Rows that one step may take. */
  maxRows: number;
  /** Sequences that one step may take. */
  maxSequences: number;
  /** Positions of all live sequences together. */
  maxPositions: number;
}

/** New tokens of one sequence. */
export interface StepInput {
  sequence: CachedSequence;
  tokens: readonly number[];
}

export class InferenceEngine {
  readonly cache: KvCache;
  private readonly arena: Arena;
  /** Columns of the block table: blocks that one sequence may have. */
  private readonly tableWidth: number;

  constructor(
    readonly device: Device,
    readonly config: ModelConfig,
    private readonly weights: DecoderWeights,
    private readonly adapter: LoraAdapter | undefined,
    readonly options: InferenceOptions,
  ) {
    const blocks = KvCache.blocksFor(options.maxPositions) + options.maxSequences;
    this.tableWidth = Math.min(blocks, KvCache.blocksFor(config.contextLength));
    this.cache = new KvCache(device, config, blocks, options.activations);
    this.arena = device.arena("inference", this.planArena());
  }

  /**
   * Runs the rows and returns the logits (inputs, V) float32 after the last token of each input, valid until the next
   * step. The caches grow by the tokens given.
   */
  step(inputs: readonly StepInput[]): Tensor {
    const rows = inputs.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const { maxRows, maxSequences } = this.options;
    if (rows > maxRows || inputs.length > maxSequences || rows === 0) {
      throw new RangeError(`a step takes 1 to ${maxRows} rows of at most ${maxSequences} sequences`);
    }
    const tokens = new Int32Array(rows);
    const positions = new Int32Array(rows);
    const slots = new Int32Array(rows);
    const sequences = new Int32Array(rows);
    const last = new Int32Array(inputs.length);
    const table = new Int32Array(inputs.length * this.tableWidth);
    let row = 0;
    inputs.forEach(({ sequence, tokens: ids }, s) => {
      const start = sequence.length;
      slots.set(this.cache.append(sequence, ids.length), row);
      ids.forEach((id, i) => {
        tokens[row] = id;
        positions[row] = start + i;
        sequences[row] = s;
        row++;
      });
      last[s] = row - 1;
      table.set(sequence.blocks, s * this.tableWidth);
    });
    this.arena.release(0);
    return this.enqueue({ tokens, positions, slots, sequences, last, table });
  }

  dispose(): void {
    this.cache.dispose();
    this.arena.free();
  }

  /** Runs the largest step on the planned device: its peak is what the arena needs. */
  private planArena(): number {
    const { device, options } = this;
    const planned = device.plan();
    const arena = planned.arena("inference");
    const rows = new Int32Array(options.maxRows);
    const perSequence = new Int32Array(options.maxSequences);
    this.enqueue(
      {
        tokens: rows,
        positions: rows,
        slots: rows,
        sequences: rows,
        last: perSequence,
        table: new Int32Array(options.maxSequences * this.tableWidth),
      },
      planned,
      arena,
    );
    return arena.peak;
  }

  private enqueue(
    host: Record<"tokens" | "positions" | "slots" | "sequences" | "last" | "table", Int32Array>,
    device: Device = this.device,
    arena: Arena = this.arena,
  ): Tensor {
    const { config, weights } = this;
    const { hiddenSize, intermediateSize, heads, kvHeads, headDim, rmsNormEps: eps } = config;
    const rows = host.tokens.length;
    const count = host.last.length;
    const activation = (height: number, width: number): Tensor =>
      arena.tensor([height, width], this.options.activations);
    const upload = (values: Int32Array, shape: number[]): Tensor => {
      const tensor = arena.tensor(shape, "i32");
      device.write(tensor, values);
      return tensor;
    };
    const logits = arena.tensor([count, config.vocabSize], "f32");
    arena.scope(() => {
      const ids = upload(host.tokens, [rows]);
      const rowPosition = upload(host.positions, [rows]);
      const slots = upload(host.slots, [rows]);
      const rowSequence = upload(host.sequences, [rows]);
      const lastRows = upload(host.last, [count]);
      const blockTable = upload(host.table, [count, this.tableWidth]);
      const cosSin = arena.tensor([rows, headDim], "f32");
      device.ops.ropeTable({ positions: rowPosition, cosSin, headDim, theta: config.ropeTheta });

      const h = arena.tensor([rows, hiddenSize], "f32");
      const x = activation(rows, hiddenSize);
      const qkv = activation(rows, (heads + 2 * kvHeads) * headDim);
      const attention = activation(rows, heads * headDim);
      const gateUp = activation(rows, 2 * intermediateSize);
      const gated = activation(rows, intermediateSize);
      device.ops.embedding({ ids, table: weights.embedding, y: h });
      weights.layers.forEach((layer, i) => {
        const kCache = this.cache.keys[i] as Tensor;
        const vCache = this.cache.values[i] as Tensor;
        const shape = { heads, kvHeads, headDim };
        device.ops.rmsNormForward({ x: h, weight: layer.inputNorm, y: x, eps });
        this.linear(device, layer, i, "qkv", x, qkv);
        device.ops.rope({ x: qkv, cosSin, heads: heads + kvHeads, headDim });
        device.ops.kvCacheWrite({ qkv, slots, kCache, vCache, ...shape });
        device.ops.pagedAttention({
          qkv,
          kCache,
          vCache,
          blockTable,
          rowSequence,
          rowPosition,
          y: attention,
          ...shape,
          scale: 1 / Math.sqrt(headDim),
        });
        this.linear(device, layer, i, "o", attention, h, h);
        device.ops.rmsNormForward({ x: h, weight: layer.postAttentionNorm, y: x, eps });
        this.linear(device, layer, i, "gateUp", x, gateUp);
        device.ops.swigluForward({ gateUp, y: gated });
        this.linear(device, layer, i, "down", gated, h, h);
      });
      const lastHidden = arena.tensor([count, hiddenSize], "f32");
      const lastNormed = activation(count, hiddenSize);
      device.ops.gatherRows({ source: h, rows: lastRows, target: lastHidden });
      device.ops.rmsNormForward({ x: lastHidden, weight: weights.finalNorm, y: lastNormed, eps });
      device.ops.loraLinearForward({ x: lastNormed, weight: weights.head, y: logits });
    });
    return logits;
  }

  private linear(
    device: Device,
    weights: LayerWeights,
    layer: number,
    group: LinearGroup,
    x: Tensor,
    y: Tensor,
    residual?: Tensor,
  ): void {
    const lora = this.adapter?.group(layer, group);
    const operands =
      lora === undefined || this.adapter === undefined
        ? {}
        : {
            loraA: lora.loraA,
            loraB: lora.loraB,
            segments: lora.segments,
            slots: lora.slots,
            scale: this.adapter.scale,
          };
    device.ops.loraLinearForward({ x, weight: weights.linears[group], residual, y, ...operands });
  }
}
