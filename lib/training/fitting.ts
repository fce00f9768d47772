/** Which settings make a run fit that does not. */
import { RECOMPUTE } from "../models/decoder.js";
import type { TrainingConfig } from "./config.js";

/** Smaller micro-batches are not worth their overhead. */
const LEAST_TOKENS = 256;

/** Another way to compute the same run. */
export interface Variant {
  /** What differs, as `--set` takes it. */
  settings: string[];
  config: TrainingConfig;
}

/**
 * Variants of a run that need less memory, the one that costs least time first: more is computed again, then micro-batches
 * are halved and twice as many make a step, which takes the same tokens.
 * @param longestRow tokens of the longest row, which a micro-batch must hold
 */
export function* leanerVariants(config: TrainingConfig, longestRow: number): Generator<Variant> {
  const { model, data } = config;
  const levels = RECOMPUTE.slice(RECOMPUTE.indexOf(model.recompute));
  let { tokensPerBatch, gradientAccumulation } = data;
  for (let halvings = 0; ; halvings++) {
    for (const recompute of levels) {
      const settings: string[] = [];
      if (recompute !== model.recompute) settings.push(`model.recompute=${recompute}`);
      if (halvings > 0) {
        settings.push(`data.tokensPerBatch=${tokensPerBatch}`);
        settings.push(`data.gradientAccumulation=${gradientAccumulation}`);
      }
      if (settings.length === 0) continue;
      yield {
        settings,
        config: {
          ...config,
          model: { ...model, recompute },
          data: { ...data, tokensPerBatch, gradientAccumulation },
        },
      };
    }
    tokensPerBatch = Math.floor(tokensPerBatch / 2);
    gradientAccumulation *= 2;
    if (tokensPerBatch < Math.max(LEAST_TOKENS, longestRow)) return;
  }
}

/** The settings of the first variant that fits, or undefined where none does. */
export async function settingsThatFit(
  config: TrainingConfig,
  longestRow: number,
  doesFit: (variant: TrainingConfig) => Promise<boolean>,
): Promise<string[] | undefined> {
  for (const variant of leanerVariants(config, longestRow)) {
    if (await doesFit(variant.config)) return variant.settings;
  }
  return undefined;
}
