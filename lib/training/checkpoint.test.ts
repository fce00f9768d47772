import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import {
  checkpointFolder,
  findCheckpoint,
  loadCheckpoint,
  saveCheckpoint,
  savedConfig,
  type TrainerState,
} from "./checkpoint.js";
import { parseTrainingConfig } from "./config.js";

const hash = "0".repeat(64);

const [A, B] = ["aaaaaaaaaaaa", "bbbbbbbbbbbb"];

/** A state as a run would have it, its numbers the step. */
const stateOf = (run: string, step: number, seed = 1): TrainerState => ({
  run,
  step,
  config: parseTrainingConfig({ base: "b", output: "o", corpus: "c", steps: 2_000_000, seed }, "test"),
  contents: { corpus: hash, weights: hash, architecture: hash, tokenizer: hash, templates: hash },
  params: Float32Array.of(step, 1),
  m: Float32Array.of(step, 2),
  v: Float32Array.of(step, 3),
  loader: {} as TrainerState["loader"],
  records: [],
  before: undefined,
});

const save = (root: string, run: string, step: number, keep = 2, seed = 1): Promise<string> =>
  saveCheckpoint(root, stateOf(run, step, seed), { keep });

const steps = (root: string, run: string): string[] => readdirSync(join(root, `run-${run}`)).sort();

function flipBit(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  writeFileSync(path, bytes);
}

describe("checkpoints of one run", () => {
  it("hold the run", async () => {
    const root = temporaryFolder();
    const folder = await save(root, A, 7);
    expect(await loadCheckpoint(folder)).toEqual({ ...stateOf(A, 7), before: undefined });
  });

  it.each([
    ["within six digits", [9, 10, 100]],
    ["across six and seven digits", [99_999, 100_000, 999_999, 1_000_000]],
  ])("are in the order of their steps %s", async (_, all) => {
    const root = temporaryFolder();
    for (const step of all) await save(root, A, step, 2);
    expect((await loadCheckpoint(root)).step).toBe(all.at(-1));
    const kept = all.slice(-2).map((step) => checkpointFolder(root, { run: A, step }));
    expect(steps(root, A).map((name) => join(root, `run-${A}`, name))).toEqual([...kept].sort());
  });

  it("keep what lies ahead when the run goes on from an earlier one", async () => {
    const root = temporaryFolder();
    for (const step of [2, 4, 6, 8]) await save(root, A, step, 4);
    await save(root, A, 5, 1);
    expect(steps(root, A)).toEqual(["step-000005", "step-000006", "step-000008"]);
  });

  const damages: [string, (folder: string) => void][] = [
    ["without its state", (folder) => renameSync(join(folder, "trainer.json"), join(folder, "gone"))],
    ["with half of its state", (folder) => truncateSync(join(folder, "trainer.json"), 40)],
    ["with another state", (folder) => writeFileSync(join(folder, "trainer.json"), "{}")],
    ["without its tensors", (folder) => renameSync(join(folder, "state.safetensors"), join(folder, "gone"))],
    ["with half of its tensors", (folder) => truncateSync(join(folder, "state.safetensors"), 100)],
    ["with one bit of its tensors flipped", (folder) => flipBit(join(folder, "state.safetensors"))],
  ];

  it.each(damages)("are passed over, with a remark, %s", async (_, damage) => {
    const root = temporaryFolder();
    await save(root, A, 2);
    damage(await save(root, A, 4));
    const remarks: string[] = [];
    const found = await findCheckpoint(
      root,
      () => undefined,
      (text) => remarks.push(text),
    );
    expect(found.state.step).toBe(2);
    expect(remarks).toEqual([expect.stringMatching(/step-000004 is passed over: .+/)]);
  });

  it.each(damages)("are refused when named, or when there is no other, %s", async (_, damage) => {
    const root = temporaryFolder();
    const folder = await save(root, A, 4);
    damage(folder);
    for (const place of [folder, root]) {
      await expect(loadCheckpoint(place)).rejects.toMatchObject({
        name: "IBertError",
        message: expect.stringContaining(folder) as string,
      });
    }
  });

  it("are no folders that a crash left half written", async () => {
    const root = temporaryFolder();
    await save(root, A, 2);
    mkdirSync(join(root, `run-${A}`, ".step-000004.new-12345678"));
    expect((await loadCheckpoint(root)).step).toBe(2);
  });

  it("are missed by name", async () => {
    const root = temporaryFolder();
    await expect(loadCheckpoint(root)).rejects.toMatchObject({ code: "checkpoint-missing" });
    await expect(loadCheckpoint(join(root, "nothing"))).rejects.toMatchObject({ code: "checkpoint-missing" });
  });

  it("of the first format say so", async () => {
    const root = temporaryFolder();
    const folder = join(root, "step-000002");
    mkdirSync(folder);
    writeFileSync(join(folder, "trainer.json"), '{"format":1}');
    await expect(loadCheckpoint(root)).rejects.toThrow(/trainer\.json: format: .*earlier version/);
  });
});

describe("checkpoints of two runs in one folder", () => {
  it("are not counted, removed or overwritten by each other", async () => {
    const root = temporaryFolder();
    for (const step of [2, 4]) await save(root, A, step, 2);
    const first = readFileSync(join(checkpointFolder(root, { run: A, step: 2 }), "state.safetensors"));
    for (const step of [2, 3, 4]) await save(root, B, step, 1, 5);
    expect(steps(root, A)).toEqual(["step-000002", "step-000004"]);
    expect(steps(root, B)).toEqual(["step-000004"]);
    expect(readFileSync(join(checkpointFolder(root, { run: A, step: 2 }), "state.safetensors"))).toEqual(
      first,
    );
  });

  it("are told apart when a run goes on", async () => {
    const root = temporaryFolder();
    await save(root, A, 8);
    await save(root, B, 4, 2, 5);
    const ofSeed = (seed: number) =>
      findCheckpoint(root, (state) => {
        if (state.config.seed !== seed) throw new Error(`another seed: ${state.config.seed}`);
      });
    expect((await ofSeed(5)).state).toMatchObject({ run: B, step: 4 });
    expect((await ofSeed(1)).state).toMatchObject({ run: A, step: 8 });
    await expect(ofSeed(3)).rejects.toThrow("another seed: 1");
  });

  it("do not settle which configuration is meant", async () => {
    const root = temporaryFolder();
    await save(root, A, 8);
    expect((await savedConfig(root)).seed).toBe(1);
    const folder = await save(root, B, 4, 2, 5);
    await expect(savedConfig(root)).rejects.toMatchObject({
      code: "checkpoint-ambiguous",
      hint: expect.stringMatching(/run-a+ \(to step 8\).*run-b+ \(to step 4\)/) as string,
    });
    expect((await savedConfig(folder)).seed).toBe(5);
    expect((await savedConfig(join(root, `run-${B}`))).seed).toBe(5);
    expect(existsSync(folder)).toBe(true);
  });
});
