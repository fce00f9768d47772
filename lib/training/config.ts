import { z } from "zod";

import { TASK_TYPES, type TaskType } from "../data/tasks.js";
import { DEFAULT_DSL, DSL_NAMES } from "../dsl/declared.js";
import { IBertError } from "../errors.js";
import { describeIssues } from "../formats/config-issues.js";
import { pythonPattern } from "../formats/python-pattern.js";
import { RECOMPUTE } from "../models/decoder.js";
import { LINEAR_MODULES } from "../models/linears.js";

const count = z.int().nonnegative();
const positive = z.number().positive();
const weight = z.number().nonnegative();

/** Values by PEFT's patterns of module names. */
const byModule = <Value extends z.ZodType<number>>(value: Value) =>
  z.record(z.string(), value).superRefine(checkPatterns).optional();

function checkPatterns(values: Readonly<Record<string, unknown>>, context: z.RefinementCtx): void {
  for (const key of Object.keys(values)) {
    try {
      pythonPattern(key, { whole: false });
    } catch (error) {
      context.addIssue({ code: "custom", path: [key], message: (error as Error).message });
    }
  }
}

const taskWeights = z
  .strictObject(
    Object.fromEntries(TASK_TYPES.map((task) => [task, weight.default(1)])) as {
      [Task in TaskType]: z.ZodDefault<typeof weight>;
    },
  )
  .describe("How often each task is drawn, relative to the others.");

/** Everything a training run is made of; `configs/training/*.yaml` hold it, and a checkpoint carries it. */
export const TrainingConfig = z.strictObject({
  base: z.string().min(1).describe("Base model: a preset, hf:owner/name, a folder, or a .gguf file."),
  output: z.string().min(1).describe("Folder of the adapter, in PEFT's layout."),
  corpus: z.string().min(1).describe("Folder of a corpus made by `ibert data build`."),
  dsl: z.enum(DSL_NAMES).default(DEFAULT_DSL).describe("The DSL that the corpus is about."),
  backend: z
    .string()
    .default("auto")
    .describe("cpu, cuda, metal, a backend library, or auto: $IBERT_BACKEND, else the best."),
  threads: count.default(0).describe("CPU threads; 0 for one a core."),
  seed: z.int().default(1),
  lora: z
    .strictObject({
      rank: z.int().positive().default(32),
      alpha: positive.default(64),
      rsLora: z.boolean().default(false).describe("Scale by alpha / sqrt(rank), not alpha / rank."),
      targets: z.array(z.enum(LINEAR_MODULES)).min(1).default(["q_proj", "k_proj", "v_proj", "o_proj"]),
      rankPattern: byModule(z.int().positive()).describe(
        "Rank of modules, by a regular expression of the end of their names: { down_proj: 16 }.",
      ),
      alphaPattern: byModule(positive).describe("Alpha of modules, in the same way."),
    })
    .prefault({}),
  model: z
    .strictObject({
      weights: z.enum(["keep", "bf16", "f32"]).default("keep").describe("Format of the frozen weights."),
      activations: z.enum(["bf16", "f32"]).default("bf16"),
      recompute: z
        .enum(RECOMPUTE)
        .default("none")
        .describe("What is computed twice to save memory. mlp: gate and up, most of it; layer: nearly all."),
    })
    .prefault({}),
  data: z
    .strictObject({
      taskWeights: taskWeights.prefault({}),
      tokensPerBatch: z.int().min(2).default(2048).describe("Packed tokens of one micro-batch."),
      gradientAccumulation: z.int().positive().default(1).describe("Micro-batches of one step."),
      curriculum: z
        .enum(["none", "length"])
        .default("none")
        .describe("length: the shortest rows of each task first, all of them from half of the run on."),
      onTooLong: z
        .enum(["error", "skip"])
        .default("error")
        .describe("What becomes of a row that does not fit."),
    })
    .prefault({}),
  optimizer: z
    .strictObject({
      learningRate: positive.default(3e-4),
      warmupSteps: count.default(10),
      finalLearningRateRatio: z.number().min(0).max(1).default(0),
      beta1: z.number().min(0).lt(1).default(0.9),
      beta2: z.number().min(0).lt(1).default(0.999),
      eps: positive.default(1e-8),
      weightDecay: z.number().nonnegative().default(0),
      loraPlusRatio: positive
        .default(1)
        .describe("Learning rate of LoRA's B over that of A (LoRA+); 1: the same."),
      maxGradNorm: z.number().nonnegative().default(1).describe("0 clips nothing."),
    })
    .prefault({}),
  rft: z
    .strictObject({
      adapter: z.string().min(1).describe("The adapter that answers the training prompts."),
      prompts: count.default(0).describe("Prompts that are answered, shared out among the tasks; 0: all."),
      samples: z.int().min(2).default(4).describe("Answers to each."),
      temperature: z.number().positive().max(2).default(0.8),
      keepPerPrompt: z.int().positive().default(2).describe("Right answers of other plans that become rows."),
      maxTokens: z.int().positive().default(128),
    })
    .optional()
    .describe("A round of rejection sampling before the training: ibert-train --method rft."),
  steps: z.int().positive().describe("Optimizer steps of the whole run."),
  evaluation: z
    .strictObject({
      everySteps: count.default(0).describe("0: only before and after."),
      split: z.enum(["valid", "test", "test_schema"]).default("test"),
      rowsPerTask: count.default(16).describe("0: no evaluation."),
      duringRowsPerTask: count.default(4).describe("Rows of each task in the measurements on the way."),
      maxTokens: z.int().positive().default(96),
      sequences: z.int().positive().default(16).describe("Texts generated at a time."),
    })
    .prefault({}),
  checkpoint: z
    .strictObject({
      everySteps: count.default(100).describe("0: only when interrupted."),
      keep: z.int().positive().default(2),
    })
    .prefault({}),
});
export type TrainingConfig = z.infer<typeof TrainingConfig>;

/**
 * What a resumed run may change: where things lie (the contents are compared instead), where it computes, and how often
 * it looks up. All else decides what it computes, and stays.
 */
export const MAY_CHANGE_ON_RESUME: readonly (keyof TrainingConfig)[] = [
  "base",
  "corpus",
  "output",
  "backend",
  "threads",
  "evaluation",
  "checkpoint",
];

/** Whether a run measures its model on held-out rows. */
export const evaluates = ({ evaluation }: TrainingConfig): boolean =>
  evaluation.rowsPerTask > 0 || (evaluation.everySteps > 0 && evaluation.duringRowsPerTask > 0);

/**
 * Checks a configuration and fills in the defaults.
 * @param where the file, for errors
 * @param place where in the file a key stands, for errors: `line 7`
 * @throws IBertError `config-invalid` that names file and key.
 */
export function parseTrainingConfig(
  value: unknown,
  where: string,
  place: (key: readonly PropertyKey[]) => string | undefined = () => undefined,
): TrainingConfig {
  const parsed = TrainingConfig.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new IBertError("config-invalid", `${where}: ${describeIssues(parsed.error.issues, value, place)}`, {
    hint: "configs/training/schema.json of the package lists every key; `ibert-train --help` shows an example.",
  });
}
