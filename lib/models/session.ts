import type { Random } from "../data/random.js";
import { Device } from "../runtime/device.js";
import {
  freeDecoderWeights,
  loadDecoderWeights,
  type DecoderWeights,
  type LoadOptions,
} from "./device-weights.js";
import type { ModelConfig } from "./config.js";
import { LoraAdapter, LoraLayout, type LoraConfig } from "./lora.js";
import { resolveSource, type ModelSource } from "./sources.js";
import { loadTokenizer } from "./load-tokenizer.js";
import type { Tokenizer } from "./tokenizer.js";
import { openWeights, type ModelWeights } from "./weights.js";

export interface SessionOptions {
  /** A preset, `hf:owner/name`, a folder or a .gguf file. */
  base: string;
  /** `auto`, `cpu`, `cuda`, `metal`, `reference` or a library's path. */
  backend?: string;
  /** CPU threads; 0 for one a core. */
  threads?: number;
  weights?: LoadOptions["weights"];
  /** Load nothing: check every call and count the memory. */
  planned?: boolean;
  onProgress?: LoadOptions["onProgress"];
}

/** A base model on a device, with its tokenizer: what training, evaluation and generation share. */
export class ModelSession {
  private constructor(
    readonly device: Device,
    readonly source: ModelSource,
    readonly model: ModelWeights,
    readonly weights: DecoderWeights,
  ) {}

  private loadedTokenizer: Tokenizer | undefined;

  /** @throws IBertError when base or backend are not to be had, or the files are damaged. */
  static async open(options: SessionOptions): Promise<ModelSession> {
    // The backend first: it fails at once, a download later.
    const device = Device.open(options.backend ?? "auto", {
      threads: options.threads ?? 0,
      planned: options.planned ?? false,
    });
    const source = await resolveSource(options.base);
    const model = openWeights(source);
    const weights = await loadDecoderWeights(device, model, options);
    return new ModelSession(device, source, model, weights);
  }

  /**
   * The base's tokenizer, loaded when it is first asked for: work on ids alone does without its memory.
   * @throws IBertError when its file is damaged
   */
  get tokenizer(): Tokenizer {
    return (this.loadedTokenizer ??= loadTokenizer(this.source));
  }

  get config(): ModelConfig {
    return this.model.config;
  }

  /** A new adapter with PEFT's initial values. */
  createAdapter(lora: LoraConfig, random: Random): LoraAdapter {
    const layout = new LoraLayout(this.config, lora);
    const adapter = new LoraAdapter(this.device, layout, { training: true });
    adapter.load(layout.initialValues(random));
    return adapter;
  }

  /** Frees the weights. */
  dispose(): void {
    freeDecoderWeights(this.device, this.weights);
  }
}
