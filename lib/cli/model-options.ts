/** Options of every command that runs a model. */
import { existsSync } from "node:fs";
import { join } from "node:path";

import type { Command } from "commander";
import { z } from "zod";

import { readJson } from "../formats/json.js";
import { wholeNumber } from "./help.js";

/** The adapter that the quick start makes. */
const QUICKSTART_ADAPTER = join("adapters", "quickstart");
const DEFAULT_BASE = "smollm2-135m";

export interface ModelOptions {
  base?: string;
  /** False after --no-adapter. */
  adapter?: string | false;
  backend: string;
  threads: number;
}

export function addModelOptions(command: Command): Command {
  return command
    .option("--base <name>", `preset, hf:owner/name, folder or .gguf file (default: the adapter's own base)`)
    .option(
      "--adapter <folder>",
      "PEFT folder (default: $IBERT_ADAPTER, else adapters/quickstart if it is there)",
    )
    .option("--no-adapter", "the base model alone")
    .option(
      "--backend <name>",
      "cpu, cuda, metal, reference, a library's path, or auto: $IBERT_BACKEND, else the best",
      "auto",
    )
    .option("--threads <n>", "CPU threads; 0 for one a core", wholeNumber(0), 0);
}

/** Base and adapter that the options and their defaults come to. */
export function chosenModel(options: ModelOptions): { base: string; adapter?: string } {
  const adapter = options.adapter === false ? undefined : (options.adapter ?? defaultAdapter());
  if (adapter === undefined) return { base: options.base ?? DEFAULT_BASE };
  return { base: options.base ?? baseOf(adapter) ?? DEFAULT_BASE, adapter };
}

function defaultAdapter(): string | undefined {
  const named = process.env["IBERT_ADAPTER"];
  if (named !== undefined && named !== "") return named;
  return existsSync(join(QUICKSTART_ADAPTER, "adapter_config.json")) ? QUICKSTART_ADAPTER : undefined;
}

const Named = z.looseObject({ base: z.string() });

/** The base that an adapter of ibert's was trained on, as the training's configuration named it. */
export function baseOf(adapter: string): string | undefined {
  const path = join(adapter, "ibert.json");
  return existsSync(path) ? Named.safeParse(readJson(path)).data?.base : undefined;
}
