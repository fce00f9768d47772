/** A checkpoint holds on to contents: what a run was made of, wherever it lies now. */
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { writeTinyCorpus } from "../cli/testing/tiny-corpus.js";
import type { DslEngine } from "../dsl/dsl.js";
import { writeSafetensors } from "../formats/safetensors-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { expectedTensors } from "../models/weights.js";
import { configFromHuggingFace } from "../models/config.js";
import { loadCheckpoint } from "./checkpoint.js";
import { readPeftAdapter } from "../formats/peft.js";
import { parseTrainingConfig, type TrainingConfig } from "./config.js";
import { train, type TrainResult } from "./train.js";

const engine = {
  version: () => Promise.resolve({ name: "ibis-framework", version: "12.0.0" }),
} as unknown as DslEngine;

/** Letters as tokens, a model of two layers: what a run needs, in little time. */
async function writeTinyBase(folder: string): Promise<string> {
  mkdirSync(folder);
  const vocab: Record<string, number> = { "<s>": 0, "</s>": 1 };
  for (let code = 32; code < 127; code++) vocab[code === 32 ? "Ġ" : String.fromCharCode(code)] = code;
  for (const code of [10, 13, 9]) vocab[String.fromCodePoint(256 + code)] = code;
  const added = ["<s>", "</s>"].map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: "BPE", dropout: null, unk_token: null, vocab, merges: [] },
  };
  const config = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: 32,
    intermediate_size: 64,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 8,
    vocab_size: 128,
    max_position_embeddings: 512,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: true,
    hidden_act: "silu",
    torch_dtype: "float32",
    bos_token_id: 0,
    eos_token_id: 1,
  };
  const json = (name: string, value: unknown): void =>
    writeFileSync(join(folder, name), JSON.stringify(value));
  json("config.json", config);
  json("tokenizer.json", tokenizer);
  json("tokenizer_config.json", { bos_token: "<s>", eos_token: "</s>", add_bos_token: false });
  const shapes = expectedTensors(configFromHuggingFace(join(folder, "config.json")));
  let seed = 1;
  const value = (): number => ((seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5) / 4;
  const tensors = [...shapes].map(([name, shape]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: size }, () => (shape.length === 1 ? 1 : value()));
    return [name, { dtype: "F32" as const, shape, data }] as const;
  });
  await writeSafetensors(join(folder, "model.safetensors"), new Map(tensors));
  return folder;
}

interface Setup {
  folder: string;
  config: (overrides?: Record<string, unknown>) => TrainingConfig;
  /** A run that ended after two of its four steps. */
  broken: TrainResult;
}

async function setUp(): Promise<Setup> {
  const folder = temporaryFolder();
  const base = await writeTinyBase(join(folder, "base"));
  const corpus = writeTinyCorpus(join(folder, "corpus"));
  const config: Setup["config"] = (overrides = {}) =>
    parseTrainingConfig(
      {
        base,
        corpus,
        output: join(folder, "adapter"),
        backend: "cpu",
        steps: 4,
        lora: { rank: 3, alpha: 4 },
        data: { tokensPerBatch: 512, taskWeights: { error_resolution: 0, qa: 0, function_documentation: 0 } },
        evaluation: { rowsPerTask: 0 },
        ...overrides,
      },
      "test",
    );
  return { folder, config, broken: await interrupted(config(), 2) };
}

function interrupted(config: TrainingConfig, at: number, resume?: string): Promise<TrainResult> {
  const abort = new AbortController();
  return train(config, {
    engine,
    signal: abort.signal,
    events: { onStep: ({ step }) => step === at && abort.abort() },
    ...(resume === undefined ? {} : { resume }),
  });
}

const adapter = (folder: string, name = "adapter"): Buffer =>
  readFileSync(join(folder, name, "adapter_model.safetensors"));

/** Changes one byte of a file. */
function touchByte(path: string, at: number): void {
  const bytes = readFileSync(path);
  const place = at < 0 ? bytes.length + at : at;
  bytes[place] = (bytes[place] as number) ^ 1;
  writeFileSync(path, bytes);
}

const replace = (path: string, from: string, to: string): void =>
  writeFileSync(path, readFileSync(path, "utf8").replace(from, to));

describe("a run is not resumed", () => {
  const changes: [string, RegExp, (folder: string) => void][] = [
    [
      "on other rows of the same ids",
      /another corpus \(SHA-256 [\da-f]{12}…, now [\da-f]{12}…\)/,
      (folder) => replace(join(folder, "corpus", "train.jsonl"), "limit(3)", "limit(9)"),
    ],
    [
      "on a corpus with a row more",
      /another corpus/,
      (folder) => {
        const path = join(folder, "corpus", "train.jsonl");
        const [line] = readFileSync(path, "utf8").split("\n");
        writeFileSync(path, `${readFileSync(path, "utf8")}${line?.replace(/"id":"[^"]*"/, '"id":"more"')}\n`);
      },
    ],
    [
      "on base weights of which one byte differs",
      /another file of base weights/,
      (folder) => touchByte(join(folder, "base", "model.safetensors"), -2),
    ],
    [
      "on another configuration of the base",
      /another configuration of the base/,
      (folder) => replace(join(folder, "base", "config.json"), "10000", "10001"),
    ],
    [
      "with another tokenizer",
      /another tokenizer .*another way to turn its rows into tokens/,
      (folder) => replace(join(folder, "base", "tokenizer.json"), '"a":97,"b":98', '"a":98,"b":97'),
    ],
    [
      "with a tokenizer that differs only in what the rows do not use",
      /another tokenizer \([^)]*\)$/m,
      (folder) => replace(join(folder, "base", "tokenizer.json"), '"~":126', '"~":127'),
    ],
  ];

  it.each(changes)("%s", async (_, message, change) => {
    const { folder, config, broken } = await setUp();
    change(folder);
    const error = await train(config(), { engine, resume: broken.checkpoint! }).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: "resume-mismatch",
      hint: expect.stringContaining("--resume") as string,
    });
    expect((error as Error).message).toMatch(message);
  });

  it("with other settings, which it names with both values", async () => {
    const { config, broken } = await setUp();
    const changed = config({
      seed: 2,
      optimizer: { learningRate: 0.5 },
      lora: { rank: 2, alpha: 4, targets: ["q_proj"] },
    });
    const error = await train(changed, { engine, resume: broken.checkpoint! }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "resume-mismatch" });
    for (const part of ["seed (1, now 2)", "optimizer.learningRate (0.0003, now 0.5)", "lora.targets ("]) {
      expect((error as Error).message).toContain(part);
    }
  });
});

it.each([
  [{ rankPattern: { up_proj: 2 } }, "config-invalid", /the pattern "up_proj" matches no adapted module/],
  [{ rankPattern: { k_proj: 2 } }, "lora-invalid", /modules of one input have different scales/],
])("a run is refused with lora %j", async (lora, code, message) => {
  const { config } = await setUp();
  const error = await train(config({ lora }), { engine }).catch((e: unknown) => e);
  expect(error).toMatchObject({ code });
  expect((error as Error).message).toMatch(message);
});

describe("a run is resumed to the bits of an unbroken one", () => {
  it("when corpus, base and output lie elsewhere, and with other settings of what it does not compute", async () => {
    const { folder, config, broken } = await setUp();
    const unbroken = await train(config({ output: join(folder, "whole") }), { engine });
    expect(unbroken.run).not.toBe(broken.run);
    for (const name of ["corpus", "base"]) renameSync(join(folder, name), join(folder, `${name}-moved`));
    const moved = config({
      base: join(folder, "base-moved"),
      corpus: join(folder, "corpus-moved"),
      output: join(folder, "elsewhere"),
      threads: 1,
      checkpoint: { everySteps: 1, keep: 1 },
    });
    const resumed = await train(moved, { engine, resume: broken.checkpoint! });
    expect(adapter(folder, "elsewhere").equals(adapter(folder, "whole"))).toBe(true);
    expect(resumed).toMatchObject({ run: broken.run, contents: broken.contents, shares: unbroken.shares });
  });

  it("with modules of several ranks, rank-stabilised, B learning faster than A", async () => {
    const { folder, config } = await setUp();
    const lora = {
      rank: 3,
      alpha: 4,
      rsLora: true,
      targets: ["down_proj", "o_proj", "q_proj", "v_proj"],
      rankPattern: { o_proj: 2, "layers\\.1\\.mlp\\.down_proj": 5 },
      alphaPattern: { down_proj: 7 },
    };
    const settings = config({ lora, optimizer: { loraPlusRatio: 4 } });
    await train(settings, { engine });
    const whole = adapter(folder);
    const broken = await interrupted(settings, 2);
    await train(settings, { engine, resume: broken.checkpoint! });
    expect(adapter(folder).equals(whole)).toBe(true);
    const stored = await readPeftAdapter(join(folder, "adapter"));
    expect(stored.config).toMatchObject(lora);
    expect(stored.tensors.get("base_model.model.model.layers.1.mlp.down_proj.lora_A.weight")?.shape[0]).toBe(
      5,
    );
    // Each setting is felt.
    for (const other of [{ lora }, { lora: { ...lora, rsLora: false }, optimizer: { loraPlusRatio: 4 } }]) {
      await train(config(other), { engine });
      expect(adapter(folder).equals(whole)).toBe(false);
    }
    const changed = config({
      optimizer: { loraPlusRatio: 4 },
      lora: { ...lora, alphaPattern: { o_proj: 7 } },
    });
    await expect(train(changed, { engine, resume: broken.checkpoint! })).rejects.toThrow(
      /lora\.alphaPattern\.down_proj \(7, now not set\), another lora\.alphaPattern\.o_proj \(not set, now 7\)/,
    );
  });

  it("from a checkpoint that holds the parameters and nothing of how they lie on a device", async () => {
    const { broken } = await setUp();
    const { params, m, v } = await loadCheckpoint(broken.checkpoint!);
    // Two layers: A and B of q, k, v at (3 * 3, 32) and (64, 3), of o at (3, 32) and (32, 3).
    const size = 2 * (3 * 3 * 32 + 64 * 3 + 3 * 32 + 32 * 3);
    expect([params.length, m.length, v.length]).toEqual([size, size, size]);
  });

  it("beside another run in the same output, neither losing anything", async () => {
    const { folder, config, broken } = await setUp();
    const remarks: string[] = [];
    const abort = new AbortController();
    const second = await train(config({ seed: 7 }), {
      engine,
      signal: abort.signal,
      events: { onRemark: (text) => remarks.push(text), onStep: ({ step }) => step === 3 && abort.abort() },
    });
    expect(remarks.join("\n")).toMatch(/run-[\da-f]+ holds another run's checkpoints, up to step 2/);
    const root = join(folder, ".adapter-checkpoints");
    const first = await train(config(), { engine, resume: root });
    expect(first.run).toBe(broken.run);
    const whole = adapter(folder);
    await train(config({ output: join(folder, "whole") }), { engine });
    expect(adapter(folder, "whole").equals(whole)).toBe(true);
    expect((await train(config({ seed: 7 }), { engine, resume: root })).run).toBe(second.run);
    expect(adapter(folder).equals(whole)).toBe(false);
  });
});

describe("what a run leaves", () => {
  it("says what it was made of, beside the adapter too", async () => {
    const { folder, config } = await setUp();
    const { run, contents } = await train(config(), { engine });
    expect(run).toMatch(/^[\da-f]{12}$/);
    for (const key of ["corpus", "weights", "architecture", "tokenizer", "templates", "tokens"] as const) {
      expect(contents[key]).toMatch(/^[\da-f]{64}$/);
    }
    const sidecar = JSON.parse(readFileSync(join(folder, "adapter", "ibert.json"), "utf8")) as object;
    expect(sidecar).toMatchObject({ training: { run, contents } });
  });

  it("a run whose rows change while it goes ends with an error, its checkpoint whole", async () => {
    const { folder, config } = await setUp();
    const path = join(folder, "corpus", "train.jsonl");
    copyFileSync(path, `${path}.before`);
    const running = train(config({ steps: 50, checkpoint: { everySteps: 1 } }), {
      engine,
      events: {
        onStep: ({ step }) =>
          step === 2 && writeFileSync(path, readFileSync(path, "utf8").replaceAll("limit", "LIMIT")),
      },
    });
    await expect(running).rejects.toMatchObject({ code: "corpus-changed" });
    copyFileSync(`${path}.before`, path);
    const resumed = await interrupted(config({ steps: 50 }), 4, join(folder, ".adapter-checkpoints"));
    expect(resumed.steps).toBe(4);
  });
});
