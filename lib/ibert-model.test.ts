import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { IBertModel } from "./index.js";
import { Random } from "./data/random.js";
import { Batcher, type TextOptions } from "./generation/batcher.js";
import { saveAdapter } from "./models/adapter-file.js";
import { LoraLayout } from "./models/lora.js";
import { loadPreset } from "./models/presets.js";
import { dslByName } from "./dsl/registry.js";

const schema = { df: { category: "string", price: "float64" } };
let folder: string;
let model: IBertModel;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ibert-model-"));
  const layout = new LoraLayout(loadPreset("smollm2-135m").config, {
    rank: 2,
    alpha: 2,
    targets: ["q_proj"],
  });
  // B is zero in a fresh adapter: it answers as the base model does.
  await saveAdapter(join(folder, "fresh"), layout, layout.initialValues(Random.of(1, "test")), {
    baseModel: "HuggingFaceTB/SmolLM2-135M-Instruct",
    sidecar: {
      format: 1,
      base: "smollm2-135m",
      dsl: { name: "ibis-framework", version: "12.0.0" },
      prompts: dslByName("ibis").defaultPrompts,
    },
  });
  model = await IBertModel.load({
    backend: "cpu",
    adapter: join(folder, "fresh"),
    adapters: { other: join(folder, "fresh") },
    loraRank: 2,
    maxRepairs: 1,
  });
});
afterAll(async () => {
  await model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe("IBertModel", () => {
  it("answers with the real compiler's verdict", async () => {
    const result = await model.generate({
      prompt: "df.group_by('category').",
      taskType: "code_completion",
      schema,
      maxTokens: 12,
    });
    expect(result.tokens.prompt).toBeGreaterThan(10);
    expect(result.tokens.completion).toBeGreaterThan(0);
    expect(result.attempts).toBeGreaterThanOrEqual(1);
    expect(result.verdict).toBeDefined();
    // A base model that was never trained on Ibis: whatever it says, the verdict has its stage, and an error or SQL.
    expect(result.verdict!.ok ? result.verdict!.sql : result.verdict!.error?.message).toEqual(
      expect.any(String),
    );
    expect(result.verdict).not.toHaveProperty("inferredSchema");
  });

  it("says that the schema was inferred when none was given", async () => {
    const request = { prompt: "df.select(df.price).", taskType: "code_completion", maxTokens: 1 } as const;
    const { verdict } = await model.generate(request);
    expect(verdict?.inferredSchema).toHaveProperty("df");
  });

  it("checks nothing when not asked to, and streams the text as it grows", async () => {
    const seen: string[] = [];
    const result = await model.generate({
      prompt: "What does Table.filter do?",
      taskType: "qa",
      validateWithCompiler: false,
      maxTokens: 10,
      onText: (text) => seen.push(text),
    });
    expect(result).not.toHaveProperty("verdict");
    expect(seen.at(-1)).toBe(result.text);
    expect(seen.length).toBeGreaterThan(1);
  });

  /** Lets the model say these texts, one an attempt, as far as maxTokens goes. */
  function saying(...texts: string[]) {
    const tokenizer = model["session"].tokenizer;
    const complete = async (_: readonly number[], { onToken, maxTokens }: TextOptions) => {
      const ids: number[] = [];
      for (const id of tokenizer.encode(texts.shift() as string).slice(0, maxTokens)) {
        ids.push(id);
        if (onToken?.(id, ids) === true) break;
      }
      return Promise.resolve({ ids, logprobs: [], finish: "stop" as const, cachedTokens: 0 });
    };
    return vi.spyOn(Batcher.prototype, "complete").mockImplementation(complete);
  }

  it("hands out whole characters only, and a text that only grows", async () => {
    const answer = "a\u{1f9ec}b";
    const count = model["session"].tokenizer.encode(answer).length;
    // The character in the middle takes several tokens.
    expect(count).toBeGreaterThan(3);
    for (let maxTokens = 1; maxTokens <= count; maxTokens++) {
      const seen: string[] = [];
      const said = saying(answer);
      const { text } = await model.generate({
        prompt: "Which?",
        taskType: "qa",
        validateWithCompiler: false,
        maxTokens,
        onText: (part) => seen.push(part),
      });
      said.mockRestore();
      for (const part of seen) expect(["a", "a\u{1f9ec}", answer]).toContain(part);
      expect(seen.map((part) => part.length)).toEqual(seen.map((part) => part.length).sort((a, b) => a - b));
      expect(seen).toHaveLength(maxTokens);
      expect(text).toBe(seen.at(-1));
      expect(text).toBe(maxTokens === count ? answer : maxTokens === count - 1 ? "a\u{1f9ec}" : "a");
    }
  });

  it("returns the best of its answers, not the last", async () => {
    const request = { prompt: "SELECT * FROM df WHERE price > 1", taskType: "sql_to_ibis", schema } as const;
    // The first names what is not there; its repair does not even parse.
    let said = saying("df.filter(df.nope > 1)", "df.filter(");
    const kept = await model.generate(request);
    said.mockRestore();
    expect(kept.text).toBe("df.filter(df.nope > 1)");
    expect(kept.verdict).toMatchObject({ ok: false, error: { type: "AttributeError" } });
    expect(kept.attempts).toBe(2);

    said = saying("df.filter(df.nope > 1)", "df.filter(df.price > 1)");
    const repaired = await model.generate(request);
    said.mockRestore();
    expect(repaired.text).toBe("df.filter(df.price > 1)");
    expect(repaired.verdict?.ok).toBe(true);

    // Of equals the first.
    said = saying("df.filter(df.nope > 1)", "df.filter(df.nada > 1)");
    const equal = await model.generate(request);
    said.mockRestore();
    expect(equal.text).toBe("df.filter(df.nope > 1)");
  });

  it("gives the same text for the same seed, alone or beside other requests", async () => {
    const ask = (seed: number, stream = 0) =>
      model.generate({
        prompt: "SELECT price FROM df",
        taskType: "sql_to_ibis",
        schema,
        validateWithCompiler: false,
        temperature: 0.9,
        maxTokens: 16,
        seed,
        stream,
      });
    const [a, b, c, d] = await Promise.all([ask(1), ask(2), ask(1), ask(1, 1)]);
    expect(c.text).toBe(a.text);
    expect(b.text).not.toBe(a.text);
    expect(d.text).not.toBe(a.text);
    expect((await ask(1, 1)).text).toBe(d.text);
  });

  it("hears of an abort while the compiler is asked", async () => {
    const abort = new AbortController();
    const check = vi.spyOn(model as unknown as { check: () => Promise<unknown> }, "check");
    check.mockImplementation(() => {
      abort.abort(new Error("enough"));
      return new Promise(() => undefined);
    });
    try {
      const asked = {
        prompt: "SELECT price FROM df",
        taskType: "sql_to_ibis",
        schema,
        maxTokens: 4,
      } as const;
      await expect(model.generate({ ...asked, signal: abort.signal })).rejects.toThrow("enough");
    } finally {
      check.mockRestore();
    }
  });

  it("answers with the adapter that a request names", async () => {
    const ask = (adapter?: string) =>
      model.generate({
        prompt: "How do I count rows?",
        taskType: "qa",
        validateWithCompiler: false,
        maxTokens: 12,
        ...(adapter === undefined ? {} : { adapter }),
      });
    const [mine, other, base] = await Promise.all([ask(), ask("other"), ask("base")]);
    // All three say the same: a fresh adapter is the base model.
    expect(other.text).toBe(mine.text);
    expect(base.text).toBe(mine.text);
    await expect(ask("nobody")).rejects.toThrow(/no adapter "nobody"[^]*base, other/);
  });

  it("tells what is wrong with a request", async () => {
    const ask = (request: object) => model.generate(request as never);
    await expect(ask({ prompt: "x", taskType: "poetry" })).rejects.toThrow(/unknown task "poetry"/);
    await expect(ask({ prompt: "  ", taskType: "qa" })).rejects.toThrow(/prompt is empty/);
    await expect(ask({ prompt: "x", taskType: "qa", temprature: 1 })).rejects.toThrow(/temprature/);
    await expect(ask({ prompt: "table ".repeat(9000), taskType: "qa" })).rejects.toThrow(
      /the model's context is 8192/,
    );
    await expect(ask({ prompt: "table ".repeat(3000), taskType: "qa" })).rejects.toThrow(/maxContext/);
    const aborted = ask({ prompt: "x", taskType: "qa", signal: AbortSignal.abort() });
    await expect(aborted).rejects.toThrow(/abort/i);
  });
});

describe("IBertModel.load", () => {
  it("tells what is wrong with its configuration", async () => {
    const adapter = join(folder, "fresh");
    await expect(IBertModel.load({ lora_rank: 3 } as never)).rejects.toThrow(/lora_rank/);
    await expect(IBertModel.load({ adapter, loraRank: 32 })).rejects.toThrow(/has rank 2, not 32/);
    await expect(IBertModel.load({ adapters: { base: adapter } })).rejects.toThrow(/"base" names the model/);
    await expect(IBertModel.load({ draftTokens: 99 })).rejects.toThrow(/draftTokens/);
    await expect(IBertModel.load({ base: "no-such-model" })).rejects.toThrow(/no-such-model/);
    await expect(IBertModel.load({ backend: "metal" })).rejects.toThrow(/metal/);
    await expect(IBertModel.load({ adapter: join(folder, "none") })).rejects.toThrow(/none/);
  });

  it("refuses an adapter that a tensor was taken from", async () => {
    const broken = join(folder, "fresh", "adapter_model.safetensors");
    const bytes = readFileSync(broken);
    writeFileSync(broken, bytes.subarray(0, bytes.length - 64));
    await expect(IBertModel.load({ adapter: join(folder, "fresh") })).rejects.toThrow(
      /adapter_model\.safetensors/,
    );
    writeFileSync(broken, bytes);
  });
});
