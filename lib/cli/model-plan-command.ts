/** `ibert model plan`: what a base takes of a device, before any of its weights is here. */
import { InvalidArgumentError, type Command } from "commander";

import { IBertError } from "../errors.js";
import type { ModelConfig } from "../models/config.js";
import { isPreset, loadPreset } from "../models/presets.js";
import { resolveSource } from "../models/sources.js";
import { expectedTensors, openWeights } from "../models/weights.js";
import { planBase, PRECISIONS, type BasePlan, type TrainingNeed } from "../training/base-plan.js";
import { parseTrainingConfig, type TrainingConfig } from "../training/config.js";
import { formatBytes, formatCount, formatTable } from "./format.js";
import { wholeNumber, withExample } from "./help.js";
import type { Run } from "./main.js";

interface Options {
  base: string;
  backend: string;
  device?: string;
  memory?: number;
  rank: number;
  tokens: number;
  context: number;
  sequences: number;
  kvCache: "bf16" | "q8_0";
  json?: boolean;
}

const UNITS: Record<string, number> = {
  ...{ B: 1, MB: 1e6, GB: 1e9, TB: 1e12 },
  ...{ MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 },
};

/** Bytes of `24GB` or `79.5 GiB`. */
function memorySize(value: string): number {
  const [, number, unit] = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*$/.exec(value) ?? [];
  const factor = Object.entries(UNITS).find(([name]) => name.toLowerCase() === unit?.toLowerCase())?.[1];
  const bytes = Math.floor(Number(number) * (factor ?? NaN));
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new InvalidArgumentError(
    `It takes a size such as 24GB or 79.5GiB (${Object.keys(UNITS).join(", ")}).`,
  );
}

function cacheType(value: string): Options["kvCache"] {
  if (value === "bf16" || value === "q8_0") return value;
  throw new InvalidArgumentError("It takes bf16 or q8_0.");
}

export function addModelPlanCommand(model: Command, run: Run): void {
  const command = model
    .command("plan")
    .description("Memory of training and serving a base on a device, and what fits; needs no weights.")
    .requiredOption("--base <name>", "preset, folder or .gguf file; nothing is fetched")
    .option("--backend <name>", "auto, cpu, cuda, metal, reference, or a library's path", "auto")
    .option("--device <architecture>", "plan for this device of the backend, e.g. sm_90")
    .option("--memory <size>", "what may be taken of it, e.g. 24GB (default: what is available)", memorySize)
    .option("--rank <n>", "rank of the LoRA on q, k, v and o", wholeNumber(1), 32)
    .option("--tokens <n>", "tokens of a micro-batch of training", wholeNumber(2), 2048)
    .option("--context <n>", "positions that the cache of serving holds", wholeNumber(1), 4096)
    .option("--sequences <n>", "texts that are answered at a time", wholeNumber(1), 8)
    .option("--kv-cache <type>", "storage of keys and values: bf16 or q8_0", cacheType, "bf16")
    .option("--json", "print everything in bytes")
    .action((options: Options) => execute(options, run));
  withExample(
    command,
    "npx ibert model plan --base devstral-small-2505 --memory 24GB",
    "npx ibert model plan --base devstral-small-2505 --backend cuda --device sm_90",
  );
}

async function execute(options: Options, run: Run): Promise<void> {
  const config = await configOf(options.base);
  const { backend, device, memory, rank, tokens, context, sequences, kvCache } = options;
  const training = parseTrainingConfig(
    {
      ...{ base: options.base, output: "unused", corpus: "unused", steps: 1 },
      ...{ lora: { rank, alpha: 2 * rank }, data: { tokensPerBatch: tokens } },
    },
    "the options",
  );
  const plan = await planBase(config, { backend, device, memory }, training, {
    ...{ positions: context, maxSequences: sequences, cache: kvCache },
  });
  if (plan.training === undefined || plan.serving === undefined) {
    if (options.json !== true) print(plan, config, options, training, run);
    throw refusalOf(plan, options.base);
  }
  if (options.json === true) return run.printJson({ base: options.base, ...plan });
  print(plan, config, options, training, run);
}

/** The configuration of a base: a preset's own, else that of its files. */
async function configOf(base: string): Promise<ModelConfig> {
  if (isPreset(base)) return loadPreset(base).config;
  if (base.startsWith("hf:")) {
    throw new IBertError("option-invalid", `--base ${base}: a plan fetches nothing`, {
      hint: "Name a preset, or the folder or .gguf file once it is here (`ibert model inspect` fetches it).",
    });
  }
  return openWeights(await resolveSource(base)).config;
}

function print(
  plan: BasePlan,
  config: ModelConfig,
  options: Options,
  training: TrainingConfig,
  run: Run,
): void {
  const { device, memory, precisions } = plan;
  const parameters = [...expectedTensors(config).values()].reduce(
    (sum, shape) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  );
  const fits = (total: number): string => (total <= memory ? "yes" : "no");
  run.print(
    formatTable(
      [
        ["base", `${options.base}, ${formatCount(parameters)} parameters`],
        ["device", `${device.backend} (${device.name}), ${formatBytes(memory)} may be taken`],
      ],
      2,
    ),
  );
  const { rank, targets } = training.lora;
  run.print(
    `\ntraining, ${formatCount(options.tokens)} tokens a micro-batch, rank ${rank} on ${targets.join(", ")}`,
  );
  run.print(
    formatTable(
      [
        ["base", "recompute", "weights", "adapter", "moments", "activations", "scratch", "total", "fits"],
        ...precisions.flatMap((own) =>
          own.training.map(({ recompute, weights, adapter, moments, activations, workspace, total }) => [
            ...[own.precision, recompute],
            ...[weights, adapter, moments, activations, workspace, total].map(formatBytes),
            fits(total),
          ]),
        ),
      ],
      2,
    ),
  );
  run.print(`\nserving, ${formatCount(plan.positions)} positions in a cache of ${options.kvCache}`);
  run.print(
    formatTable([
      ["base", "weights", "adapter", "cache", "activations", "scratch", "total", "fits"],
      ...precisions.map(({ precision, serving }) => {
        const { weights, adapter, cache, activations, workspace, total } = serving;
        const sizes = [weights, adapter, cache, activations, workspace, total].map(formatBytes);
        return [precision, ...sizes, fits(total)];
      }),
    ]),
  );
  run.print("");
  if (plan.training !== undefined) run.print(`train with  ${describeTraining(plan.training)}`);
  if (plan.serving !== undefined) {
    const { precision, total } = plan.serving;
    run.print(`serve with  a base in ${precision}: ${formatBytes(total)}`);
  }
  printSizes(plan, run);
  printLimits(plan, options, run);
  run.note("Node, the tokenizer and the rows come on top, in the host's memory.");
}

function printSizes({ sizes, device }: BasePlan, run: Run): void {
  run.print(`\non devices like this one (${device.backend}) with other memory`);
  run.print(
    formatTable([
      ["memory", "train", "recompute", "tokens", "serve"],
      ...sizes.map(({ gigabytes, training, serving }) => [
        `${gigabytes} GB`,
        training?.precision ?? "no",
        training?.recompute ?? "",
        training === undefined ? "" : formatCount(training.tokensPerBatch),
        serving?.precision ?? "no",
      ]),
    ]),
  );
}

/** What the peaks allow, so that a run far below is seen to be slow; tokens guessed ahead may decode a text faster. */
function printLimits({ limits, device, serving }: BasePlan, { sequences }: Options, run: Run): void {
  if (limits === undefined) {
    if (serving !== undefined) {
      run.print(`\nspeed: not planned, because the peaks of ${device.name} are not known here`);
    }
    return;
  }
  const speed = (tokens: number): string => formatCount(Math.floor(tokens));
  const training = limits.training === undefined ? "" : `training ${speed(limits.training)}, `;
  run.print(
    `\nspeed, at most, in tokens/s: ${training}decoding one text ${speed(limits.decode)}, ${sequences} texts ${speed(limits.decodeTogether)}` +
      `\n(products and memory traffic at the peaks that the maker of ${device.name} gives; see docs/cli.md)`,
  );
}

/** The base and the settings, as `ibert-train` takes them. */
function describeTraining(need: NonNullable<BasePlan["training"]>): string {
  const { precision, total } = need;
  return `a base in ${precision}, ${settingsOf(need)}: ${formatBytes(total)}`;
}

const settingsOf = ({ recompute, tokensPerBatch, gradientAccumulation }: TrainingNeed): string =>
  [
    `--set model.recompute=${recompute}`,
    `--set data.tokensPerBatch=${tokensPerBatch}`,
    `--set data.gradientAccumulation=${gradientAccumulation}`,
  ].join(" ");

/** What does not fit, by how much, and what would. */
function refusalOf(plan: BasePlan, base: string): IBertError {
  const { memory, device, precisions, leastTraining: training } = plan;
  const on = `${formatBytes(memory)} of ${device.backend} (${device.name})`;
  const lacking: string[] = [];
  const would: string[] = [];
  if (training !== undefined) {
    lacking.push(`training takes at least ${formatBytes(training.total)}`);
    would.push(`training fits into --memory ${sizeFor(training.total)} with ${describeTraining(training)}.`);
  }
  if (plan.serving === undefined) {
    const least = precisions.reduce((a, b) => (b.serving.total < a.serving.total ? b : a));
    const { total } = least.serving;
    lacking.push(`serving takes at least ${formatBytes(total)}`);
    would.push(
      `serving fits into --memory ${sizeFor(total)} with a base in ${least.precision}; a smaller --context, or --kv-cache q8_0, takes less.`,
    );
  } else would.push(`serving fits as it is, with a base in ${plan.serving.precision}.`);
  if (plan.training !== undefined)
    would.push(`training fits as it is, with ${describeTraining(plan.training)}.`);
  const hint = would.map((text) => text.charAt(0).toUpperCase() + text.slice(1)).join(" ");
  return new IBertError("memory", `${base} does not fit into ${on}: ${lacking.join(", and ")}`, {
    hint: `The bases tried are ${PRECISIONS.filter((own) => precisions.some(({ precision }) => precision === own)).join(", ")}. ${hint}`,
  });
}

/** The next tenth of a GB, as `--memory` takes it. */
const sizeFor = (bytes: number): string => `${(Math.ceil(bytes / 1e8) / 10).toFixed(1)}GB`;
