import { z } from "zod";

import { IBertError } from "../errors.js";

/** What a PEFT LoRA adapter's configuration says, as far as ibert runs it. */
export interface PeftConfig {
  /** Rank of the update. */
  rank: number;
  /** The update is scaled by alpha / rank; an adapter with `use_rslora` is read as the alpha that scales alike. */
  alpha: number;
  /** Probability of dropping an input of A in training. */
  dropout: number;
  /** Names of the adapted linear modules, e.g. `q_proj`; sorted. */
  targets: readonly LinearModule[];
  /** Name or path of the base model, where it is known. */
  baseModel: string | null;
}

/** The linear modules of a Llama or Mistral layer. */
export const LINEAR_MODULES = [
  "q_proj",
  "k_proj",
  "v_proj",
  "o_proj",
  "gate_proj",
  "up_proj",
  "down_proj",
] as const;
export type LinearModule = (typeof LINEAR_MODULES)[number];

/** Initialisations that leave the base model's weights as they are. */
const PLAIN_INITIALISATIONS = [true, false, "gaussian", "eva", "orthogonal"];

const Config = z.looseObject({
  peft_type: z.literal("LORA"),
  r: z.int().min(1, "a rank is at least 1"),
  lora_alpha: z.number().positive(),
  lora_dropout: z.number().min(0).max(1).default(0),
  // Names, endings of names, whole names, or a regular expression.
  target_modules: z.union([z.array(z.string()).min(1), z.string().min(1)]),
  base_model_name_or_path: z.string().nullish(),
  bias: z.literal("none").default("none"),
  use_rslora: z.boolean().default(false),
  init_lora_weights: z
    .union([z.boolean(), z.string()])
    .refine((value) => PLAIN_INITIALISATIONS.includes(value), "it changes the base model's weights")
    .default(true),
});

/** Keys that say nothing about how the adapter is applied. */
const WITHOUT_EFFECT = new Set([
  "auto_mapping",
  "inference_mode",
  "megatron_core",
  "peft_version",
  "qalora_group_size",
  "revision",
  "task_type",
]);

/** Whether a feature's key is at rest: PEFT writes them all, and new releases more of them. */
function isOff(value: unknown): boolean {
  return (
    value === null ||
    value === false ||
    (typeof value === "object" && value !== null && Object.keys(value).length === 0)
  );
}

function invalid(path: string, message: string): IBertError {
  return new IBertError("adapter-unsupported", `${path}: ${message}`, {
    hint: "ibert applies plain LoRA on a decoder's linear modules; merge the adapter with PEFT, or train it without this.",
  });
}

/** The last part of a module's name: `q_proj` of `model.layers.0.self_attn.q_proj`. */
export const lastName = (module: string): string => module.slice(module.lastIndexOf(".") + 1);

const isLinearModule = (name: string): name is LinearModule =>
  (LINEAR_MODULES as readonly string[]).includes(name);

/** The linear modules that `target_modules` means; a regular expression means what the tensors adapt. */
function targetsOf(value: string | string[], adapted: readonly string[], path: string): LinearModule[] {
  if (value === "all-linear") return [...LINEAR_MODULES];
  const names =
    typeof value === "string" ? adapted.map(lastName).filter(isLinearModule) : value.map(lastName);
  const other = names.findIndex((name) => !isLinearModule(name));
  if (other >= 0) {
    throw invalid(
      path,
      `target_modules: ${JSON.stringify(value[other])} is none of ${LINEAR_MODULES.join(", ")}`,
    );
  }
  if (names.length === 0) {
    throw invalid(path, `target_modules is ${JSON.stringify(value)}, and no tensor adapts a linear module`);
  }
  return [...new Set(names.filter(isLinearModule))].sort();
}

/**
 * Checks the content of an `adapter_config.json`.
 * @param adapted names of the modules that the adapter's tensors adapt
 * @throws IBertError `adapter-unsupported` naming the file and the key: also where a key that ibert does not know is on.
 */
export function parsePeftConfig(value: unknown, path: string, adapted: readonly string[] = []): PeftConfig {
  const result = Config.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw invalid(path, `${issue?.path.join(".") || "the top"}: ${issue?.message ?? "invalid"}`);
  }
  const config = result.data;
  for (const [key, setting] of Object.entries(config)) {
    if (!(key in Config.shape) && !WITHOUT_EFFECT.has(key) && !isOff(setting)) {
      throw invalid(path, `${key} is ${JSON.stringify(setting)}, which is not supported`);
    }
  }
  return {
    rank: config.r,
    alpha: config.use_rslora ? config.lora_alpha * Math.sqrt(config.r) : config.lora_alpha,
    dropout: config.lora_dropout,
    targets: targetsOf(config.target_modules, adapted, path),
    baseModel: config.base_model_name_or_path ?? null,
  };
}

/** The content of an `adapter_config.json` that PEFT loads. */
export function formatPeftConfig({ rank, alpha, dropout, targets, baseModel }: PeftConfig): string {
  const config = {
    base_model_name_or_path: baseModel,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: alpha,
    lora_dropout: dropout,
    modules_to_save: null,
    peft_type: "LORA",
    r: rank,
    target_modules: [...targets].sort(),
    task_type: "CAUSAL_LM",
    use_dora: false,
    use_rslora: false,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
