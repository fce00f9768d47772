/** `ibert adapter inspect|merge|export`. */
import { Option, type Command } from "commander";

import { IBertError } from "../errors.js";
import { withModulePrefix } from "../formats/peft-prefix.js";
import {
  readPeftAdapter,
  writePeftAdapter,
  type PeftAdapterOnDisk,
  type PeftConfig,
} from "../formats/peft.js";
import { writeAdapterGguf } from "../models/adapter-gguf.js";
import { mergeIntoGguf } from "../models/merge-gguf.js";
import { mergeAdapter } from "../models/merge.js";
import type { Divergence } from "../models/merged-rows.js";
import { resolveSource, type ModelSource } from "../models/sources.js";
import { openWeights } from "../models/weights.js";
import { formatBytes, formatCount, formatTable } from "./format.js";
import { withExample } from "./help.js";
import type { Run } from "./main.js";
import { baseOf } from "./model-options.js";

export function addAdapterCommands(program: Command, run: Run): void {
  const adapter = program.command("adapter").description("LoRA adapters: inspect, merge, export.");
  addInspect(adapter, run);
  addMerge(adapter, run);
  addExport(adapter, run);
}

function addInspect(adapter: Command, run: Run): void {
  const command = adapter
    .command("inspect")
    .description("Configuration, size and origin of an adapter.")
    .argument("<folder>", "PEFT folder")
    .option("--json", "print everything")
    .action(async (folder: string, options: { json?: boolean }) => {
      const stored = await readPeftAdapter(folder);
      const { config, ibert } = stored;
      const size = measure(stored);
      if (options.json === true) return run.printJson({ folder, config, ...size, ibert });
      const { dsl, training } = (ibert ?? {}) as {
        dsl?: { name: string; version: string };
        training?: Record<string, unknown>;
      };
      const rows = [
        ["adapter", folder],
        ["base", config.baseModel ?? "not named"],
        [
          "rank, alpha",
          `${config.rank}, ${config.alpha}${config.rsLora === true ? " (rank-stabilised)" : ""}`,
        ],
        ["targets", textOf(config.targets)],
        ...exceptionsOf(config),
        ["parameters", `${formatCount(size.parameters)} in ${size.tensors} tensors`],
        [
          "largest update",
          size.largestB === 0 ? "none: every B is zero" : `|B| up to ${size.largestB.toPrecision(3)}`,
        ],
      ];
      if (dsl !== undefined) rows.push(["made for", `${dsl.name} ${dsl.version}`]);
      for (const [key, value] of Object.entries(training ?? {})) {
        rows.push([key, textOf(value)]);
      }
      run.print(formatTable(rows, 2));
    });
  withExample(command, "npx ibert adapter inspect adapters/quickstart");
}

const textOf = (value: unknown): string =>
  typeof value === "string" ? value : Array.isArray(value) ? value.join(", ") : JSON.stringify(value);

/** What of the configuration does not hold for every target. */
const exceptionsOf = ({
  excluded,
  layers,
  layersPattern,
  rankPattern,
  alphaPattern,
}: PeftConfig): string[][] =>
  Object.entries({ excluded, layers, layersPattern, rankPattern, alphaPattern }).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, textOf(value)]],
  );

function measure({ tensors }: PeftAdapterOnDisk): { tensors: number; parameters: number; largestB: number } {
  let parameters = 0;
  let largestB = 0;
  for (const [name, { data }] of tensors) {
    parameters += data.length;
    if (!name.endsWith(".lora_B.weight")) continue;
    for (const value of data) largestB = Math.max(largestB, Math.abs(value));
  }
  return { tensors: tensors.size, parameters, largestB };
}

interface MergeCommandOptions {
  output: string;
  base?: string;
  dtype: "bf16" | "f32" | "keep";
  json?: boolean;
}

function addMerge(adapter: Command, run: Run): void {
  const command = adapter
    .command("merge")
    .description("Write base and adapter as one model: a Hugging Face folder, or a GGUF with `--dtype keep`.")
    .argument("<folder>", "PEFT folder")
    .requiredOption(
      "--output <path>",
      "the merged model, replaced whole: a folder, or a .gguf file with `--dtype keep`",
    )
    .option("--base <name>", "preset, hf:owner/name, folder or .gguf file (default: the adapter's own base)")
    .addOption(
      new Option("--dtype <type>", "of the weights; keep: each one's own, of a base that is a GGUF")
        .choices(["bf16", "f32", "keep"])
        .default("bf16"),
    )
    .option("--json", "print { output, merged, tensors, files, bytes, divergence }")
    .action(async (folder: string, options: MergeCommandOptions) => {
      const { output, dtype } = options;
      const source = await resolveBase(folder, options.base, run);
      const { stderr } = run.terminal;
      const live = stderr.isTTY === true && options.json !== true;
      const merging = {
        source,
        adapter: folder,
        output,
        onProgress: (written: number, total: number) => {
          if (live) stderr.write(`\r\u001b[K${written < total ? `${written} of ${total} tensors` : ""}`);
        },
      };
      const result =
        dtype === "keep" ? await mergeIntoGguf(merging) : await mergeAdapter({ ...merging, dtype });
      if (options.json === true) return run.printJson({ output, ...result });
      run.print(
        `${output}: ${result.tensors} tensors (${formatBytes(result.bytes)}), ${result.merged} of them merged`,
      );
      run.print(describe(result.divergence));
    });
  withExample(command, "npx ibert adapter merge adapters/quickstart --output merged --dtype bf16");
}

/** @throws IBertError `base-missing` where neither names it */
function resolveBase(folder: string, named: string | undefined, run: Run): Promise<ModelSource> {
  const base = named ?? baseOf(folder);
  if (base === undefined) {
    throw new IBertError("base-missing", `${folder}: the adapter does not say what its base model is`, {
      hint: "Name it with --base.",
    });
  }
  return resolveSource(base, { report: (message) => run.note(message) });
}

function describe({ ofUpdate, ofWeights, worst }: Divergence): string {
  if (ofUpdate === null || worst === null) return "divergence: none, the adapter changes nothing";
  const percent = (share: number): string => `${(100 * share).toPrecision(3)} %`;
  return (
    `divergence by rounding: ${percent(ofUpdate)} of the update (${percent(ofWeights ?? 0)} of the weights), ` +
    `at most ${percent(worst.ofUpdate)}, in ${worst.name}`
  );
}

interface ExportOptions {
  output: string;
  format: "peft" | "gguf";
  modules?: "text" | "whole" | "whole-4.51";
  base?: string;
  json?: boolean;
}

/** Beginnings of modules' names by what `--modules` calls them. */
const PREFIXES = {
  text: "model.",
  whole: "model.language_model.",
  "whole-4.51": "language_model.model.",
} as const;

function addExport(adapter: Command, run: Run): void {
  const command = adapter
    .command("export")
    .description(
      "Write the adapter as a plain PEFT folder, or as a GGUF that llama.cpp loads beside the base's.",
    )
    .argument("<folder>", "PEFT folder")
    .requiredOption(
      "--output <path>",
      "the copy, replaced whole: a folder, or a .gguf file with `--format gguf`",
    )
    .addOption(
      new Option("--format <format>", "peft, without ibert's own files, or gguf")
        .choices(["peft", "gguf"])
        .default("peft"),
    )
    .addOption(
      new Option(
        "--modules <names>",
        "names of modules for PEFT: of a model of text alone, or of a whole Mistral 3 (4.51: up to that transformers)",
      ).choices(Object.keys(PREFIXES)),
    )
    .option(
      "--base <name>",
      "with `--format gguf`: the base whose shapes it has (default: the adapter's own)",
    )
    .option("--json", "print { output, tensors, parameters }")
    .action(async (folder: string, options: ExportOptions) => {
      const { output } = options;
      const stored = await readPeftAdapter(folder);
      if (options.format === "gguf") {
        const source = await resolveBase(folder, options.base, run);
        await writeAdapterGguf(openWeights(source).config, folder, output);
      } else {
        const { modules } = options;
        const named = modules === undefined ? stored : withModulePrefix(stored, PREFIXES[modules]);
        await writePeftAdapter(output, named);
      }
      const { tensors, parameters } = measure(stored);
      if (options.json === true) return run.printJson({ output, tensors, parameters });
      run.print(`${output}: ${tensors} tensors, ${formatCount(parameters)} parameters`);
    });
  withExample(command, "npx ibert adapter export adapters/quickstart --output exported");
}
