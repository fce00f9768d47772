import type { Random } from "../data/random.js";
import { Device } from "../runtime/device.js";
import { loadDecoderWeights, type DecoderWeights, type LoadOptions } from "./device-weights.js";
import type { ModelConfig } from "./config.js";
import { stopIds } from "./ends.js";
import { LoraAdapter, LoraLayout, type LoraConfig } from "./lora.js";
import { resolveSource, type ModelSource } from "./sources.js";
import { loadTokenizer } from "./load-tokenizer.js";
import type { Tokenizer } from "./tokenizer.js";
import { requireRows } from "./vocabulary.js";
import { openWeights, type ModelWeights } from "./weights.js";

export interface SessionOptions {
  /** A preset, `hf:owner/name`, a folder or a .gguf file. */
  base: string;
  /** `auto`, `cpu`, `cuda`, `metal`, `reference` or a library's path. */
  backend?: string;
  /** CPU threads; 0 for one a core. */
  threads?: number;
  weights?: LoadOptions["weights"];
  /** Opens the tokenizer before the weights are loaded, so that one that does not fit is told of at once. */
  tokenizer?: boolean;
  /** Load nothing: check every call and count the memory; on a device of this architecture, if one is named. */
  planned?: boolean | string;
  onProgress?: LoadOptions["onProgress"];
}

/**
 * A base model on a device of its own, with its tokenizer: what training, evaluation and generation share. It holds
 * memory and threads until it is disposed of.
 */
export class ModelSession implements AsyncDisposable {
  private constructor(
    readonly device: Device,
    readonly source: ModelSource,
    readonly model: ModelWeights,
    readonly weights: DecoderWeights,
    private loadedTokenizer: Tokenizer | undefined,
  ) {}

  /**
   * Opens a base model; where that fails, nothing of it is left. What contradicts itself in its files, and what was made
   * of it, is a warning (`process.emitWarning`, code IBERT_MODEL), once a process.
   * @throws IBertError when base or backend are not to be had, or the files are damaged.
   */
  static async open(options: SessionOptions): Promise<ModelSession> {
    // The backend first: it fails at once, a download later.
    const device = Device.open(options.backend ?? "auto", {
      threads: options.threads ?? 0,
      planned: options.planned ?? false,
    });
    try {
      const source = await resolveSource(options.base);
      const model = openWeights(source);
      warnOf(model.remarks);
      const tokenizer = options.tokenizer === true ? openTokenizer(source, model) : undefined;
      const weights = await loadDecoderWeights(device, model, options);
      return new ModelSession(device, source, model, weights, tokenizer);
    } catch (error) {
      await device.close();
      throw error;
    }
  }

  /**
   * The base's tokenizer, loaded when it is first asked for: work on ids alone does without its memory.
   * @throws IBertError when its file is damaged, or a token has no row in the embedding
   */
  get tokenizer(): Tokenizer {
    return (this.loadedTokenizer ??= openTokenizer(this.source, this.model));
  }

  /** Ids at which a text ends, as configuration and tokenizer declare them. */
  get stopIds(): readonly number[] {
    return stopIds(this.config, this.tokenizer);
  }

  get config(): ModelConfig {
    return this.model.config;
  }

  /** A new adapter with PEFT's initial values. */
  createAdapter(lora: LoraConfig, random: Random): LoraAdapter {
    const layout = new LoraLayout(this.config, lora);
    const adapter = new LoraAdapter(this.device, layout, { training: true });
    if (!this.device.planned) adapter.load(layout.initialValues(random));
    return adapter;
  }

  /** Closes the device once its work has run, with the weights and all else that lies on it. */
  async dispose(): Promise<void> {
    await this.device.close();
  }

  /** Disposes of the session, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

const warned = new Set<string>();

/** What a user should know of the files, once a process: they load, but not as everybody would expect. */
function warnOf(remarks: readonly string[]): void {
  for (const remark of remarks) {
    if (warned.has(remark)) continue;
    warned.add(remark);
    process.emitWarning(remark, { type: "IBertWarning", code: "IBERT_MODEL" });
  }
}

function openTokenizer(source: ModelSource, { config }: ModelWeights): Tokenizer {
  const tokenizer = loadTokenizer(source);
  requireRows(tokenizer, config, source.path);
  return tokenizer;
}
