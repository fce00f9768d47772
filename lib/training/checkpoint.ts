/**
 * Checkpoints: a folder holds all that a run needs to go on as if it had never stopped. It is written beside its place
 * and renamed, so what is there is whole. Each run has a folder of its own: `run-<id>/step-000050`.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";

import { z } from "zod";

import type { LoaderState } from "../data/loader.js";
import { IBertError } from "../errors.js";
import { replaceDirectoryAtomic, writeFileAtomic, type AtomicOptions } from "../formats/atomic.js";
import { sha256OfFile } from "../formats/hash.js";
import { readJson } from "../formats/json.js";
import { openSafetensors, type Safetensors } from "../formats/safetensors.js";
import { writeSafetensors } from "../formats/safetensors-writer.js";
import { describeSystemError, systemCode } from "../formats/system-error.js";
import { TrainingConfig } from "./config.js";
import { RunContents } from "./contents.js";

/** One line of the training log. */
export const StepRecord = z.strictObject({
  step: z.int(),
  loss: z.number(),
  gradNorm: z.number(),
  learningRate: z.number(),
  tokens: z.int(),
  supervisedTokens: z.int(),
  tokensPerSecond: z.number(),
});
export type StepRecord = z.infer<typeof StepRecord>;

export interface TrainerState {
  /** The run's id. */
  run: string;
  /** Optimizer steps done. */
  step: number;
  config: TrainingConfig;
  /** What the run is made of. */
  contents: RunContents;
  /** Flat adapter parameters and AdamW's moments, without gaps. */
  params: Float32Array;
  m: Float32Array;
  v: Float32Array;
  loader: LoaderState;
  records: StepRecord[];
  /** What the measurement before the first step found, so that a resumed run need not repeat it. */
  before: unknown;
}

/** Format 1 did not say what the run was made of. */
const FORMAT = 2;

const StateFile = z.strictObject({
  format: z.literal(FORMAT),
  run: z.string().regex(/^[\da-f]+$/),
  step: z.int().nonnegative(),
  config: TrainingConfig,
  contents: RunContents,
  /** SHA-256 of the file of tensors. */
  tensorsSha256: z.string(),
  loader: z.unknown(),
  records: z.array(StepRecord),
  before: z.unknown().optional(),
});
type StateFile = z.infer<typeof StateFile>;

const STATE = "trainer.json";
const TENSORS = "state.safetensors";

export const newRunId = (): string => randomBytes(6).toString("hex");

const runFolder = (root: string, run: string): string => join(root, `run-${run}`);

export function checkpointFolder(root: string, { run, step }: Pick<TrainerState, "run" | "step">): string {
  return join(runFolder(root, run), `step-${String(step).padStart(6, "0")}`);
}

/**
 * Writes the checkpoint of a step under `root`, and of the run's checkpoints up to this step removes all but the newest
 * `keep`. Those of other runs are not looked at. Returns its folder.
 */
export async function saveCheckpoint(
  root: string,
  state: TrainerState,
  options: { keep: number; atomic?: AtomicOptions },
): Promise<string> {
  const folder = checkpointFolder(root, state);
  const tensor = (data: Float32Array) => ({ dtype: "F32" as const, shape: [data.length], data });
  await replaceDirectoryAtomic(
    folder,
    async (fresh) => {
      const { params, m, v, ...rest } = state;
      const tensors = new Map(Object.entries({ params, m, v }).map(([name, data]) => [name, tensor(data)]));
      await writeSafetensors(join(fresh, TENSORS), tensors, options.atomic);
      const tensorsSha256 = await sha256OfFile(join(fresh, TENSORS));
      await writeFileAtomic(
        join(fresh, STATE),
        `${JSON.stringify({ format: FORMAT, tensorsSha256, ...rest })}\n`,
        options.atomic,
      );
    },
    options.atomic,
  );
  const steps = (await listCheckpoints(runFolder(root, state.run))).filter(({ step }) => step <= state.step);
  for (const old of steps.slice(0, -options.keep)) await rm(old.folder, { recursive: true, force: true });
  return folder;
}

interface CheckpointPlace {
  folder: string;
  step: number;
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return [];
    throw describeSystemError(error, "read", folder);
  }
}

/** The checkpoints in one folder, by step, the lowest first. */
async function listCheckpoints(folder: string): Promise<CheckpointPlace[]> {
  return (await entriesOf(folder))
    .flatMap((entry) => {
      const [, digits] = /^step-(\d+)$/.exec(entry) ?? [];
      return digits === undefined ? [] : [{ folder: join(folder, entry), step: Number(digits) }];
    })
    .sort((a, b) => a.step - b.step);
}

/** The runs that have checkpoints under `root`, or the one whose folder it is; each with its checkpoints by step. */
export async function listRuns(root: string): Promise<{ folder: string; checkpoints: CheckpointPlace[] }[]> {
  const folders = (await entriesOf(root)).filter((entry) => /^run-[\da-f]+$/.test(entry)).sort();
  const runs = [];
  for (const folder of [root, ...folders.map((entry) => join(root, entry))]) {
    const checkpoints = await listCheckpoints(folder);
    if (checkpoints.length > 0) runs.push({ folder, checkpoints });
  }
  return runs;
}

/** A checkpoint whose files have been checked, its tensors not yet read. */
export interface FoundCheckpoint {
  folder: string;
  state: StateFile;
  file: Safetensors;
}

/** @throws IBertError naming the file that is missing or damaged */
async function openCheckpoint(folder: string): Promise<FoundCheckpoint> {
  const path = join(folder, STATE);
  const value = readJson(path);
  if ((value as { format?: unknown } | null)?.format === 1) {
    throw new IBertError(
      "checkpoint-invalid",
      `${path}: format: the checkpoint is of an earlier version, which did not note what the run was made of`,
      { hint: "Start the run anew, without --resume." },
    );
  }
  const parsed = StateFile.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new IBertError(
      "checkpoint-invalid",
      `${path}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
    );
  }
  const file = openSafetensors(join(folder, TENSORS));
  for (const name of ["params", "m", "v"]) {
    if (file.tensors.get(name)?.dtype !== "F32") {
      throw new IBertError("checkpoint-invalid", `${file.path}: there is no float32 tensor ${name}`);
    }
  }
  if ((await sha256OfFile(file.path)) !== parsed.data.tensorsSha256) {
    throw new IBertError("checkpoint-invalid", `${file.path}: the tensors are not those that were written`, {
      hint: "The disk or a copy damaged them; take the checkpoint before.",
    });
  }
  return { folder, state: parsed.data, file };
}

/** The newest checkpoint of a run that is whole; others are remarked upon. */
async function newestWhole(
  checkpoints: readonly CheckpointPlace[],
  onRemark: (text: string) => void,
): Promise<FoundCheckpoint> {
  let first: unknown;
  for (const { folder } of [...checkpoints].reverse()) {
    try {
      return await openCheckpoint(folder);
    } catch (error) {
      first ??= error;
      const [reason] = (error as Error).message.split("\n");
      onRemark(`the checkpoint ${folder} is passed over: ${reason}`);
    }
  }
  throw first;
}

/**
 * The checkpoint to go on from. Of several runs in a folder those are passed over that `check` refuses; the same
 * settings and contents give the same run, so of what is left the furthest step is taken.
 * @param place a checkpoint, a run's folder of them, or the folder of several runs
 * @param check throws where a checkpoint is of another run
 * @throws IBertError `checkpoint-missing`; what is wrong with the only one; what `check` throws
 */
export async function findCheckpoint(
  place: string,
  check: (state: StateFile) => void,
  onRemark: (text: string) => void = () => undefined,
): Promise<FoundCheckpoint> {
  if (isCheckpoint(place)) {
    const found = await openCheckpoint(place);
    check(found.state);
    return found;
  }
  const refused: unknown[] = [];
  let best: FoundCheckpoint | undefined;
  for (const { checkpoints } of await listRuns(place)) {
    try {
      const found = await newestWhole(checkpoints, onRemark);
      check(found.state);
      if (best === undefined || found.state.step > best.state.step) best = found;
    } catch (error) {
      refused.push(error);
    }
  }
  if (best !== undefined) return best;
  if (refused.length > 0) throw refused[0];
  throw missing(place);
}

const isCheckpoint = (place: string): boolean =>
  /^step-\d+$/.test(basename(place)) || existsSync(join(place, STATE));

const missing = (place: string): IBertError =>
  new IBertError("checkpoint-missing", `${place}: there is no checkpoint here`, {
    hint: "Name a checkpoint (a folder step-000050), or a folder that holds some.",
  });

/**
 * The configuration of the run that has checkpoints in a folder.
 * @throws IBertError `checkpoint-ambiguous` listing the runs where it is more than one
 */
export async function savedConfig(place: string): Promise<TrainingConfig> {
  const runs = isCheckpoint(place) ? [] : await listRuns(place);
  if (runs.length > 1) {
    const listed = runs.map(({ folder, checkpoints }) => `${folder} (to step ${checkpoints.at(-1)?.step})`);
    throw new IBertError("checkpoint-ambiguous", `${place}: ${runs.length} runs have checkpoints here`, {
      hint: `Name one of them, or --config: ${listed.join(", ")}`,
    });
  }
  return (await findCheckpoint(place, () => undefined)).state.config;
}

/** Reads what a found checkpoint holds. */
export async function readCheckpoint({ state, file }: FoundCheckpoint): Promise<TrainerState> {
  const read = async (name: string): Promise<Float32Array> => {
    const bytes = await file.read(name);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  };
  const { format: _, tensorsSha256: __, loader, before, ...rest } = state;
  const [params, m, v] = [await read("params"), await read("m"), await read("v")];
  return { ...rest, before, loader: loader as LoaderState, params, m, v };
}

/**
 * Reads a checkpoint: its folder, or a folder of them, of which the newest whole one is taken.
 * @throws IBertError naming the folder when there is none or it is damaged.
 */
export async function loadCheckpoint(place: string): Promise<TrainerState> {
  return readCheckpoint(await findCheckpoint(place, () => undefined));
}
