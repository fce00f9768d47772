/** The parts of a training run on a device, real or planned, and what memory they take. */
import type { DataLoader } from "../data/loader.js";
import { Random } from "../data/random.js";
import { IBertError } from "../errors.js";
import { idlePattern } from "../formats/peft-modules.js";
import { InferenceEngine } from "../generation/engine.js";
import { Decoder } from "../models/decoder.js";
import type { LoraAdapter } from "../models/lora.js";
import { ModelSession } from "../models/session.js";
import { evaluates, type TrainingConfig } from "./config.js";
import type { TrainingEvents } from "./events.js";
import { settingsThatFit } from "./fitting.js";
import { availableMemory, budgetsOf, fits, planMemory, requireMemory, type Budget } from "./plan.js";
import { TrainStep } from "./train-step.js";

/** The engine of the evaluations. */
export function openInference(
  session: ModelSession,
  config: TrainingConfig,
  adapter: LoraAdapter | undefined,
) {
  const { sequences } = config.evaluation;
  return new InferenceEngine(session, adapter, {
    activations: config.model.activations,
    maxRows: 512,
    maxSequences: sequences,
    maxPositions: sequences * 768,
  });
}

export function openSession(
  config: TrainingConfig,
  options: { planned?: boolean | string; tokenizer?: boolean; events?: TrainingEvents | undefined },
): Promise<ModelSession> {
  const { base, backend, threads, model } = config;
  return ModelSession.open({
    base,
    backend,
    threads,
    weights: model.weights,
    planned: options.planned ?? false,
    tokenizer: options.tokenizer ?? true,
    onProgress: (loaded, total) => options.events?.onLoading?.(loaded, total),
  });
}

/** The trainable parts of a session. */
export function trainable(session: ModelSession, config: TrainingConfig) {
  const adapter = session.createAdapter(config.lora, Random.of(config.seed, "lora"));
  const idle = idlePattern(config.lora, adapter.layout.modules);
  if (idle !== undefined) {
    throw new IBertError(
      "config-invalid",
      `lora: the pattern ${JSON.stringify(idle)} matches no adapted module`,
      {
        hint: "rankPattern and alphaPattern match ends of names such as model.layers.0.self_attn.q_proj.",
      },
    );
  }
  const decoder = new Decoder(session.device, session.config, session.weights, adapter, {
    activations: config.model.activations,
    recompute: config.model.recompute,
  });
  return { adapter, step: new TrainStep(decoder, config.optimizer, config.data.tokensPerBatch) };
}

/**
 * @throws IBertError `memory` with the numbers and the settings that fit, when a run does not
 */
export async function requireRoom(
  config: TrainingConfig,
  { budgets, loader }: { budgets: readonly Budget[]; loader: DataLoader },
  device?: string,
): Promise<void> {
  if (fits(budgets)) return;
  const fitting = await settingsThatFit(config, loader.longestRow, async (variant) => {
    await using session = await openSession(variant, { planned: device ?? true, tokenizer: false });
    return fits(planRun(variant, session).budgets);
  });
  requireMemory(budgets, fitting);
}

/** Plans on a planned session. */
export function planRun(config: TrainingConfig, session: ModelSession) {
  const plan = planMemory(
    session,
    () => trainable(session, config).step,
    evaluates(config) ? () => openInference(session, config, undefined) : undefined,
  );
  return { plan, budgets: budgetsOf(plan, session.device.info, availableMemory()) };
}
