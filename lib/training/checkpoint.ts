/**
 * Checkpoints: a folder holds all that a run needs to go on as if it had never stopped. It is written beside its place
 * and renamed, so what is there is whole.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";

import { z } from "zod";

import type { LoaderState } from "../data/loader.js";
import { IBertError } from "../errors.js";
import { replaceDirectoryAtomic, writeFileAtomic, type AtomicOptions } from "../formats/atomic.js";
import { readJson } from "../formats/json.js";
import { openSafetensors } from "../formats/safetensors.js";
import { writeSafetensors } from "../formats/safetensors-writer.js";
import { TrainingConfig } from "./config.js";

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
  /** Optimizer steps done. */
  step: number;
  config: TrainingConfig;
  /** Flat adapter parameters and AdamW's moments. */
  params: Float32Array;
  m: Float32Array;
  v: Float32Array;
  loader: LoaderState;
  records: StepRecord[];
  /** What the measurement before the first step found, so that a resumed run need not repeat it. */
  before: unknown;
}

const FORMAT = 1;
const PREFIX = "step-";

const StateFile = z.strictObject({
  format: z.literal(FORMAT),
  step: z.int().nonnegative(),
  config: TrainingConfig,
  loader: z.unknown(),
  records: z.array(StepRecord),
  before: z.unknown().optional(),
});

export function checkpointFolder(root: string, step: number): string {
  return join(root, `${PREFIX}${String(step).padStart(6, "0")}`);
}

/** Writes the checkpoint of a step under `root` and removes all but the newest `keep`. Returns its folder. */
export async function saveCheckpoint(
  root: string,
  state: TrainerState,
  options: { keep: number; atomic?: AtomicOptions },
): Promise<string> {
  const folder = checkpointFolder(root, state.step);
  const tensor = (data: Float32Array) => ({ dtype: "F32" as const, shape: [data.length], data });
  await replaceDirectoryAtomic(
    folder,
    async (fresh) => {
      const { params, m, v, ...rest } = state;
      const tensors = new Map(Object.entries({ params, m, v }).map(([name, data]) => [name, tensor(data)]));
      await writeSafetensors(join(fresh, "state.safetensors"), tensors, options.atomic);
      await writeFileAtomic(
        join(fresh, "trainer.json"),
        `${JSON.stringify({ format: FORMAT, ...rest })}\n`,
        options.atomic,
      );
    },
    options.atomic,
  );
  for (const old of (await listCheckpoints(root)).slice(0, -options.keep)) {
    if (old !== folder) await rm(old, { recursive: true, force: true });
  }
  return folder;
}

/** Checkpoints under `root`, oldest first. */
export async function listCheckpoints(root: string): Promise<string[]> {
  const entries = await readdir(root).catch((): string[] => []);
  return entries
    .filter((entry) => /^step-\d+$/.test(entry))
    .sort()
    .map((entry) => join(root, entry));
}

/**
 * Reads a checkpoint: its folder, or a folder of checkpoints, of which the newest is taken.
 * @throws IBertError naming the folder when there is none or it is damaged.
 */
export async function loadCheckpoint(folder: string): Promise<TrainerState> {
  const newest =
    (await listCheckpoints(folder)).at(-1) ?? (await listCheckpoints(join(folder, "checkpoints"))).at(-1);
  const home = newest ?? folder;
  const path = join(home, "trainer.json");
  const parsed = StateFile.safeParse(readJson(path));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new IBertError(
      "checkpoint-invalid",
      `${path}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
    );
  }
  const file = openSafetensors(join(home, "state.safetensors"));
  const read = async (name: string): Promise<Float32Array> => {
    if (file.tensors.get(name)?.dtype !== "F32") {
      throw new IBertError("checkpoint-invalid", `${file.path}: there is no float32 tensor ${name}`);
    }
    return new Float32Array(Uint8Array.from(await file.read(name)).buffer);
  };
  const { format: _, loader, before, ...rest } = parsed.data;
  const [params, m, v] = [await read("params"), await read("m"), await read("v")];
  return { ...rest, before, loader: loader as LoaderState, params, m, v };
}
