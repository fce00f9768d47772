/** What is loaded is given back: at once when it is disposed of or its loading fails, the collector left alone. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";

import { evaluate } from "./evaluation/evaluate-model.js";
import { temporaryFolder } from "./formats/testing/temporary.js";
import { IBertModel, train, parseTrainingConfig } from "./index.js";
import { ModelSession } from "./models/session.js";
import { writeSmallAdapter, writeSmallModel } from "./models/testing/small-model.js";
import { addon } from "./runtime/native.js";
import { writeTinyCorpus } from "./cli/testing/tiny-corpus.js";

// An evaluation asks the manifest for the language alone.
vi.mock("./data/corpus.js", async (original) => ({
  ...(await original<object>()),
  readManifest: () => ({ dsl: { name: "ibis-framework", version: "12.0.0" } }),
}));
afterEach(() => vi.restoreAllMocks());

interface Held {
  threads: number;
  descriptors: number;
  handles: number;
  /** Mapped parts of weight files. */
  mappings: number;
  deviceBytes: number;
  rss: number;
  external: number;
}

const list = (folder: string): number => (existsSync(folder) ? readdirSync(folder).length : 0);

function held(): Held {
  const { rss, external } = process.memoryUsage();
  const handles = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles().length;
  const maps = existsSync("/proc/self/maps") ? readFileSync("/proc/self/maps", "utf8") : "";
  const mappings = maps.split("\n").filter((line) => line.includes(".safetensors")).length;
  const [threads, descriptors] = [list("/proc/self/task"), list("/proc/self/fd")];
  const { held: deviceBytes } = addon().deviceMemory();
  return { threads, descriptors, handles, mappings, deviceBytes, rss, external };
}

/** Does it `times` times, after some that let Node start what it keeps, and says what stayed. */
async function growth(times: number, body: () => Promise<void>): Promise<Held> {
  for (let i = 0; i < 5; i++) await body();
  const before = held();
  for (let i = 0; i < times; i++) await body();
  const after = held();
  return Object.fromEntries(
    Object.entries(after).map(([key, value]) => [key, value - before[key as keyof Held]]),
  ) as unknown as Held;
}

const MIB = 2 ** 20;
/** The small model takes some 15 MiB: a few that stayed would show. */
function expectNothing({ rss, external, ...counts }: Held): void {
  expect(counts).toEqual({ threads: 0, descriptors: 0, handles: 0, mappings: 0, deviceBytes: 0 });
  expect(rss / MIB).toBeLessThan(96);
  expect(external / MIB).toBeLessThan(96);
}

let base: string;
let adapter: string;
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "ibert-lifecycle-"));
  base = join(folder, "base");
  adapter = join(folder, "adapter");
  await writeSmallAdapter(adapter, await writeSmallModel(base));
  return () => rmSync(folder, { recursive: true, force: true });
});

const settings = () => ({ base, backend: "cpu", threads: 3 });

it("gives everything back of a hundred models that answered", async () => {
  const stayed = await growth(100, async () => {
    await using model = await IBertModel.load({ ...settings(), adapter });
    await model.generate({
      prompt: "t.",
      taskType: "code_completion",
      maxTokens: 2,
      validateWithCompiler: false,
    });
  });
  expectNothing(stayed);
});

describe("loading that fails gives everything back", () => {
  /** A hundred times. */
  async function failing(body: () => Promise<unknown>, error: RegExp): Promise<void> {
    expectNothing(
      await growth(100, async () => {
        await expect(body()).rejects.toThrow(error);
      }),
    );
  }

  it("for a tensor of a wrong shape", async () => {
    const wrong = temporaryFolder();
    await writeSmallModel(wrong, (tensors) => {
      const name = "model.layers.1.mlp.down_proj.weight";
      tensors.set(name, { dtype: "F32", shape: [256, 8], data: new Float32Array(2048) });
    });
    await failing(() => IBertModel.load({ ...settings(), base: wrong }), /down_proj.weight.* has the shape/);
  });

  it("for a file that goes while it is read", async () => {
    let call = 0;
    const mapFile = addon().mapFile.bind(addon());
    vi.spyOn(addon(), "mapFile").mockImplementation((path, offset, bytes) => {
      if (++call % 14 === 0) throw new Error("the file is gone");
      return mapFile(path, offset, bytes);
    });
    await failing(() => ModelSession.open(settings()), /the file is gone/);
  });

  it("for memory that the device does not have", async () => {
    await failing(
      () => IBertModel.load({ ...settings(), cacheTokens: 2 ** 40 }),
      /the device cpu \(.*\): out of memory: \d+ bytes/,
    );
  });

  it("for an adapter that is not there, and one of another rank", async () => {
    await failing(() => IBertModel.load({ ...settings(), adapter: join(adapter, "none") }), /none/);
    await failing(() => IBertModel.load({ ...settings(), adapter, loraRank: 5 }), /has rank 4, not 5/);
  });

  it("for a tokenizer that is not there, or damaged", async () => {
    const without = temporaryFolder();
    await writeSmallModel(without);
    rmSync(join(without, "tokenizer.json"));
    await failing(() => IBertModel.load({ ...settings(), base: without }), /neither tokenizer.json/);
    writeFileSync(join(without, "tokenizer.json"), "{");
    await failing(() => IBertModel.load({ ...settings(), base: without }), /tokenizer.json/);
  });
});

it("gives everything back of runs and evaluations that cannot begin or fail", async () => {
  const folder = temporaryFolder();
  const corpus = writeTinyCorpus(join(folder, "corpus"));
  const none = { error_resolution: 0, qa: 0, function_documentation: 0 };
  const config = parseTrainingConfig(
    {
      ...settings(),
      corpus,
      output: join(folder, "out"),
      steps: 1,
      evaluation: { rowsPerTask: 0 },
      data: { taskWeights: none },
    },
    "test",
  );
  const stop = new Error("stopped");
  const events = {
    onPlan: () => {
      throw stop;
    },
  };
  expectNothing(
    await growth(10, async () => {
      await expect(train(config, { events })).rejects.toThrow(stop);
      await expect(evaluate({ ...settings(), corpus, adapter: join(folder, "none") })).rejects.toThrow(
        /none/,
      );
    }),
  );
});

it("disposes once, whoever asks how often, and answers nothing afterwards", async () => {
  const model = await IBertModel.load(settings());
  const pending = model.generate({
    prompt: "t.",
    taskType: "code_completion",
    maxTokens: 8,
    validateWithCompiler: false,
  });
  const first = model.dispose();
  expect(model.dispose()).toBe(first);
  await first;
  expect((await pending).tokens.completion).toBeGreaterThan(0);
  await expect(model.generate({ prompt: "t.", taskType: "qa" })).rejects.toMatchObject({
    code: "model-disposed",
  });
});
