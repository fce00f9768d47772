import { existsSync } from "node:fs";
import { basename, join } from "node:path";

import { IBertError } from "../errors.js";
import { currentDirectory, replaceDirectoryAtomic, writeFileAtomic, type AtomicOptions } from "./atomic.js";
import { dequantize } from "./dequantize.js";
import { formatShape, type DType } from "./dtypes.js";
import { readJson } from "./json.js";
import { formatPeftConfig, parsePeftConfig, type PeftConfig } from "./peft-config.js";
import {
  isEnding,
  isLinearModule,
  lastName,
  LINEAR_MODULES,
  modulePrefix,
  moduleLora,
  renameModule,
  type ModulePrefix,
} from "./peft-modules.js";
import { writeSafetensors } from "./safetensors-writer.js";
import { openSafetensors, type Safetensors } from "./safetensors.js";

export type { PeftConfig } from "./peft-config.js";

export interface PeftTensor {
  /** The type in the file; `data` is float32 in any case. */
  readonly dtype: DType;
  /** (r, in features) of an A, (out features, r) of a B */
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A LoRA adapter as PEFT lays it out: `adapter_config.json`, `adapter_model.safetensors`, and what ibert adds. */
export interface PeftAdapter {
  readonly config: PeftConfig;
  /**
   * By PEFT's names, e.g. `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`: those of a model of text alone,
   * whatever `config.modulePrefix` says of the file.
   */
  readonly tensors: ReadonlyMap<string, PeftTensor>;
}

export interface PeftAdapterOnDisk extends PeftAdapter {
  readonly path: string;
  /** What `ibert.json` holds, where it is there: prompts, the DSL and its version, the training's summary. */
  readonly ibert: unknown;
}

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";
const IBERT = "ibert.json";
const NAME = /^base_model\.model\.(.+)\.lora_([AB])\.weight$/;
const FLOATS: ReadonlySet<DType> = new Set<DType>(["F32", "F16", "BF16"]);

function mismatch(path: string, message: string): IBertError {
  return new IBertError("adapter-mismatch", `${path}: ${message}`, {
    hint: "The adapter was made for another model or configuration, or its file is damaged.",
  });
}

/** Every tensor is half of a pair of its module's rank on a targeted module, and every name of a target has one. */
function checkPairs(path: string, config: PeftConfig, tensors: Safetensors["tensors"]): void {
  const { targets, excluded } = config;
  const loraOf = moduleLora(config);
  const adapted = new Set<string>();
  const listed = typeof targets === "string" ? JSON.stringify(targets) : targets.join(", ");
  for (const { name, shape, dtype } of tensors.values()) {
    const [, module, part] = NAME.exec(name) ?? [];
    const lora = module === undefined ? undefined : loraOf(module);
    if (module === undefined || lora === undefined) {
      throw mismatch(path, `tensor ${name} is unexpected: target_modules are ${listed}`);
    }
    if (!isLinearModule(lastName(module))) {
      throw mismatch(path, `tensor ${name} adapts none of ${LINEAR_MODULES.join(", ")}`);
    }
    adapted.add(module);
    if (!FLOATS.has(dtype)) throw mismatch(path, `tensor ${name} is ${dtype}; it must be F32, F16 or BF16`);
    const { rank } = lora;
    if (shape.length !== 2 || shape[part === "A" ? 0 : 1] !== rank) {
      const wanted = part === "A" ? `(${rank}, in)` : `(out, ${rank})`;
      throw mismatch(path, `tensor ${name} has the shape ${formatShape(shape)}; r = ${rank} needs ${wanted}`);
    }
    const other = `base_model.model.${module}.lora_${part === "A" ? "B" : "A"}.weight`;
    if (!tensors.has(other)) throw mismatch(path, `tensor ${other} is missing`);
  }
  if (adapted.size === 0) throw mismatch(path, "it has no tensor");
  if (typeof targets === "string" || excluded !== undefined) return;
  const idle = targets.find((target) => ![...adapted].some((module) => isEnding(module, target)));
  if (idle !== undefined) {
    throw mismatch(path, `no tensor adapts ${lastName(idle)}, which target_modules names`);
  }
}

/** The tensors are those that the model has, all and no others. */
function checkExpected(
  path: string,
  expected: ReadonlyMap<string, readonly number[]>,
  tensors: Safetensors["tensors"],
): void {
  for (const [name, shape] of expected) {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw mismatch(path, `tensor ${name} ${formatShape(shape)} is missing`);
    if (formatShape(tensor.shape) !== formatShape(shape)) {
      throw mismatch(
        path,
        `tensor ${name} has the shape ${formatShape(tensor.shape)}; the model needs ${formatShape(shape)}`,
      );
    }
  }
  for (const name of tensors.keys()) {
    if (!expected.has(name))
      throw mismatch(path, `tensor ${name} is unexpected: the model has no such module`);
  }
}

/** What the modules' names begin with in an adapter's file, the same for all of them. */
function prefixOf(path: string, names: Iterable<string>): ModulePrefix {
  let found: { name: string; prefix: ModulePrefix } | undefined;
  for (const name of names) {
    const prefix = modulePrefix(NAME.exec(name)?.[1] ?? "");
    if (prefix === undefined) continue;
    if (found !== undefined && found.prefix !== prefix)
      throw mismatch(path, `tensors ${found.name} and ${name} name the modules of two models`);
    found = { name, prefix };
  }
  return found?.prefix ?? "model.";
}

/** A tensor's name with another beginning of its module's. */
const renameTensor = (name: string, to: ModulePrefix): string =>
  name.replace(
    /^(base_model\.model\.)(.+)$/,
    (_, head: string, module: string) => head + renameModule(module, to),
  );

/**
 * Reads a PEFT adapter, strictly: a missing tensor, an unexpected one and a wrong shape are errors.
 * @param expected names and shapes for the base model at hand, given the adapter's configuration; without it, only what
 * the adapter says of itself is checked.
 * @throws IBertError `file-missing`, `adapter-unsupported` (key), `adapter-mismatch` (tensor), `file-truncated`.
 */
export async function readPeftAdapter(
  folder: string,
  expected?: (config: PeftConfig) => ReadonlyMap<string, readonly number[]>,
): Promise<PeftAdapterOnDisk> {
  const home = await currentDirectory(folder);
  const configPath = join(home, CONFIG);
  const parsed = parsePeftConfig(readJson(configPath), configPath);
  const weights = openSafetensors(join(home, WEIGHTS));
  const prefix = prefixOf(weights.path, weights.tensors.keys());
  const config: PeftConfig = {
    ...parsed,
    ...(prefix === "model." ? {} : { modulePrefix: prefix }),
  };
  checkPairs(weights.path, config, weights.tensors);
  const named = new Map([...weights.tensors].map(([name, tensor]) => [renameTensor(name, "model."), tensor]));
  if (expected !== undefined) checkExpected(weights.path, expected(config), named);
  const tensors = new Map<string, PeftTensor>();
  for (const [own, { name, dtype, shape }] of named) {
    tensors.set(own, {
      dtype,
      shape,
      data: dequantize(dtype, await weights.read(name), `${weights.path}: tensor ${name}`),
    });
  }
  const ibertPath = join(home, IBERT);
  return {
    path: folder,
    config,
    tensors,
    ibert: existsSync(ibertPath) ? readJson(ibertPath) : undefined,
  };
}

/**
 * Writes an adapter that PEFT loads, float32, as one folder: the old content stays until the new is whole on the disk.
 * Modules are named with `config.modulePrefix`.
 * @param extras more files by name, e.g. `ibert.json` and the model card `README.md`
 * @throws IBertError `disk-full`, `write-failed`.
 */
export async function writePeftAdapter(
  folder: string,
  { config, tensors }: { config: PeftConfig; tensors: ReadonlyMap<string, Omit<PeftTensor, "dtype">> },
  extras: Readonly<Record<string, string>> = {},
  options: AtomicOptions = {},
): Promise<void> {
  const prefix = config.modulePrefix ?? "model.";
  const entries = [...tensors].map(
    ([name, tensor]) => [renameTensor(name, prefix), { ...tensor, dtype: "F32" as const }] as const,
  );
  await replaceDirectoryAtomic(
    folder,
    async (fresh) => {
      // As PEFT's own writer says.
      const metadata = { format: "pt" };
      await writeSafetensors(join(fresh, WEIGHTS), new Map(entries), { ...options, metadata });
      await writeFileAtomic(join(fresh, CONFIG), formatPeftConfig(config), options);
      for (const [name, content] of Object.entries(extras)) {
        await writeFileAtomic(join(fresh, basename(name)), content, options);
      }
    },
    options,
  );
}
