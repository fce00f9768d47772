/** What a run is made of, by content: a checkpoint and a finished adapter carry it, so that names may change hands. */
import { join } from "node:path";

import { z } from "zod";

import { splitFile } from "../data/corpus.js";
import { dslByName } from "../dsl/registry.js";
import { IBertError } from "../errors.js";
import { sha256OfFile, sha256OfText } from "../formats/hash.js";
import { baseContents, type OpenBase } from "../models/base-contents.js";
import { resolveSource } from "../models/sources.js";
import { openWeights } from "../models/weights.js";
import { evaluates, MAY_CHANGE_ON_RESUME, type TrainingConfig } from "./config.js";

const Sha256 = z.string().regex(/^[\da-f]{64}$/);

/** SHA-256 of everything that decides a run's numbers. */
export const RunContents = z.strictObject({
  /** The file of training rows. */
  corpus: Sha256,
  /** The file of the rows that the run is measured on; absent where it measures nothing. */
  heldOut: Sha256.optional(),
  /** The base's files of weights. */
  weights: Sha256,
  /** The base's configuration, as it was understood. */
  architecture: Sha256,
  /** The base's tokenizer files, or the tokenizer's part of a GGUF. */
  tokenizer: Sha256,
  /** The prompts that rows are put into. */
  templates: Sha256,
  /** The training rows as token ids; known once they have been tokenised. */
  tokens: Sha256.optional(),
});
export type RunContents = z.infer<typeof RunContents>;

const NAMES: Readonly<Record<keyof RunContents, string>> = {
  corpus: "corpus",
  heldOut: "file of held-out rows",
  weights: "file of base weights",
  architecture: "configuration of the base",
  tokenizer: "tokenizer",
  templates: "set of prompt templates",
  tokens: "way to turn its rows into tokens",
};

export interface ContentOptions {
  /** The base, where it is open already. */
  base?: OpenBase;
  /** SHA-256 of corpus files that were read already, by path. */
  known?: ReadonlyMap<string, string>;
  onProgress?: (bytes: number, total: number) => void;
}

/** Files of a run's corpus: training rows, and held-out rows where it measures any. */
export function corpusFiles(config: TrainingConfig): { corpus: string; heldOut?: string } {
  const file = (split: "train" | TrainingConfig["evaluation"]["split"]): string =>
    join(config.corpus, splitFile(split));
  return { corpus: file("train"), ...(evaluates(config) ? { heldOut: file(config.evaluation.split) } : {}) };
}

/**
 * Hashes what a configuration names. Weights are read whole, once: their hash is kept for as long as their files stay
 * as they are.
 * @throws IBertError naming the file that cannot be read
 */
export async function contentsOf(config: TrainingConfig, options: ContentOptions = {}): Promise<RunContents> {
  const source = options.base?.source ?? (await resolveSource(config.base));
  const model = options.base?.model ?? openWeights(source);
  const { corpus, heldOut } = corpusFiles(config);
  const ofFile = async (path: string): Promise<string> =>
    options.known?.get(path) ?? (await sha256OfFile(path));
  return {
    corpus: await ofFile(corpus),
    ...(heldOut === undefined ? {} : { heldOut: await ofFile(heldOut) }),
    ...(await baseContents({ source, model }, options.onProgress)),
    templates: sha256OfText(JSON.stringify(dslByName(config.dsl).defaultPrompts)),
  };
}

/** What differs between two runs, in words; what one of them does not know is left out. */
export function changedContents(saved: RunContents, now: RunContents): string[] {
  return (Object.keys(NAMES) as (keyof RunContents)[]).flatMap((key) => {
    const [before, after] = [saved[key], now[key]];
    if (before === undefined || after === undefined || before === after) return [];
    return [`${NAMES[key]} (SHA-256 ${before.slice(0, 12)}…, now ${after.slice(0, 12)}…)`];
  });
}

/** Leaves of a configuration by their dotted keys; a list is a leaf. */
function leaves(value: unknown, key = ""): [key: string, value: string][] {
  if (value === null || typeof value !== "object" || Array.isArray(value))
    return [[key, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([name, part]) => leaves(part, key === "" ? name : `${key}.${name}`));
}

function changedSettings(saved: TrainingConfig, now: TrainingConfig): string[] {
  const [before, after] = [new Map(leaves(saved)), new Map(leaves(now))];
  // Settings without a default stand in one of them alone.
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const free = MAY_CHANGE_ON_RESUME.some((name) => key === name || key.startsWith(`${name}.`));
    const [old, value] = [before.get(key), after.get(key)];
    return free || value === old ? [] : [`${key} (${old ?? "not set"}, now ${value ?? "not set"})`];
  });
}

const mismatch = (changed: readonly string[]): IBertError =>
  new IBertError("resume-mismatch", `the checkpoint was made with another ${changed.join(", another ")}`, {
    hint:
      "Resume with what the run began with, or start a new run without --resume: " +
      "it keeps its checkpoints apart, and these stay.",
  });

/** @throws IBertError `resume-mismatch` naming the settings that a resumed run may not change */
export function requireSameSettings(saved: TrainingConfig, now: TrainingConfig): void {
  const changed = changedSettings(saved, now);
  if (changed.length > 0) throw mismatch(changed);
}

/** @throws IBertError `resume-mismatch` naming the contents that are others now */
export function requireSameContents(saved: RunContents, now: RunContents): void {
  const changed = changedContents(saved, now);
  if (changed.length > 0) throw mismatch(changed);
}
