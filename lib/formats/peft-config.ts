import { z } from "zod";

import { IBertError } from "../errors.js";
import { isLinearModule, lastName, LINEAR_MODULES, moduleLora, type LoraConfig } from "./peft-modules.js";
import { PatternError } from "./python-pattern.js";

/** What a PEFT LoRA adapter's configuration says, as far as ibert runs it. */
export interface PeftConfig extends LoraConfig {
  /** Probability of dropping an input of A in training. */
  dropout: number;
  /** Name or path of the base model, where it is known. */
  baseModel: string | null;
}

/** Initialisations that leave the base model's weights as they are. */
const PLAIN_INITIALISATIONS = [true, false, "gaussian", "eva", "mica", "orthogonal"];

/** Names, endings of names, or a regular expression. */
const names = z.union([z.array(z.string().min(1)), z.string()]);
const rank = z.int().min(1, "a rank is at least 1");
const layer = z.int().nonnegative();

const Config = z.looseObject({
  peft_type: z.literal("LORA"),
  r: rank,
  lora_alpha: z.number().positive(),
  lora_dropout: z.number().min(0).max(1).default(0),
  target_modules: z.union([z.array(z.string().min(1)).min(1), z.string().min(1)]),
  exclude_modules: names.nullish(),
  layers_to_transform: z.union([layer, z.array(layer)]).nullish(),
  layers_pattern: z.union([z.string(), z.array(z.string().min(1))]).nullish(),
  rank_pattern: z.record(z.string(), rank).nullish(),
  alpha_pattern: z.record(z.string(), z.number().positive()).nullish(),
  base_model_name_or_path: z.string().nullish(),
  bias: z.literal("none").default("none"),
  use_rslora: z.boolean().default(false),
  init_lora_weights: z
    .union([z.boolean(), z.string()])
    .refine((value) => PLAIN_INITIALISATIONS.includes(value), "it changes the base model's weights")
    .default(true),
});

/** Keys that say nothing about how the adapter is applied; what initialised it is in `init_lora_weights`. */
const WITHOUT_EFFECT = new Set([
  "auto_mapping",
  "corda_config",
  "eva_config",
  "inference_mode",
  "loftq_config",
  "lora_ga_config",
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

type PeftFile = z.infer<typeof Config>;

/** @throws IBertError where PEFT has no meaning for the modules that are named */
function checkModules(file: PeftFile, path: string): void {
  const { target_modules: targets, layers_to_transform: layers, layers_pattern: pattern } = file;
  const other =
    typeof targets === "string" ? undefined : targets.find((name) => !isLinearModule(lastName(name)));
  if (other !== undefined) {
    throw invalid(path, `target_modules: ${JSON.stringify(other)} is none of ${LINEAR_MODULES.join(", ")}`);
  }
  if (typeof targets === "string" && (layers ?? pattern ?? null) !== null) {
    const key = layers === null || layers === undefined ? "layers_pattern" : "layers_to_transform";
    throw invalid(path, `${key} is ${JSON.stringify(file[key])}, which needs a list of target_modules`);
  }
  if (!isOff(pattern ?? null) && pattern !== "" && (layers ?? null) === null) {
    throw invalid(path, `layers_pattern is ${JSON.stringify(pattern)}, and there is no layers_to_transform`);
  }
}

const listOf = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T]);

const isEmpty = (value: object | string | number | null | undefined): value is null | undefined =>
  value === null ||
  value === undefined ||
  value === "" ||
  (typeof value === "object" && Object.keys(value).length === 0);

function loraOf(file: PeftFile): LoraConfig {
  const { target_modules: targets } = file;
  return {
    rank: file.r,
    alpha: file.lora_alpha,
    rsLora: file.use_rslora,
    targets: typeof targets === "string" ? targets : [...new Set(targets)].sort(),
    ...(isEmpty(file.exclude_modules) ? {} : { excluded: file.exclude_modules }),
    ...(isEmpty(file.layers_to_transform) ? {} : { layers: listOf(file.layers_to_transform) }),
    ...(isEmpty(file.layers_pattern) ? {} : { layersPattern: listOf(file.layers_pattern) }),
    ...(isEmpty(file.rank_pattern) ? {} : { rankPattern: file.rank_pattern }),
    ...(isEmpty(file.alpha_pattern) ? {} : { alphaPattern: file.alpha_pattern }),
  };
}

/**
 * Checks the content of an `adapter_config.json`.
 * @throws IBertError `adapter-unsupported` naming the file and the key: also where a key that ibert does not know is on.
 */
export function parsePeftConfig(value: unknown, path: string): PeftConfig {
  const result = Config.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw invalid(path, `${issue?.path.join(".") || "the top"}: ${issue?.message ?? "invalid"}`);
  }
  const file = result.data;
  for (const [key, setting] of Object.entries(file)) {
    if (!(key in Config.shape) && !WITHOUT_EFFECT.has(key) && !isOff(setting)) {
      throw invalid(path, `${key} is ${JSON.stringify(setting)}, which is not supported`);
    }
  }
  checkModules(file, path);
  const lora = loraOf(file);
  try {
    moduleLora(lora);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw invalid(path, `regular expression ${error.message}`);
  }
  return { ...lora, dropout: file.lora_dropout, baseModel: file.base_model_name_or_path ?? null };
}

/** The content of an `adapter_config.json` that PEFT loads. */
export function formatPeftConfig(config: PeftConfig): string {
  const { targets, excluded, layers, layersPattern, rankPattern, alphaPattern } = config;
  const file = {
    alpha_pattern: alphaPattern,
    base_model_name_or_path: config.baseModel,
    bias: "none",
    exclude_modules: excluded,
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: layersPattern,
    layers_to_transform: layers,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    modules_to_save: null,
    peft_type: "LORA",
    r: config.rank,
    rank_pattern: rankPattern,
    target_modules: typeof targets === "string" ? targets : [...targets].sort(),
    task_type: "CAUSAL_LM",
    use_dora: false,
    use_rslora: config.rsLora ?? false,
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}
