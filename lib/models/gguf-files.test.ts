/** GGUFs as people have them: what each answers, or by what name it is refused. */
import { renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { describe, expect, it } from "vitest";

import { encodeGguf, type TensorToStore, type TypedValue } from "../formats/testing/gguf-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { answer, refuses, type Refusal } from "./testing/chain-checks.js";
import { chainTensors, FIRST_END, LAST_END } from "./testing/chain-model.js";
import { ggufName } from "./testing/gguf-names.js";
import { byteTokenizer } from "./testing/small-model.js";

const WHOLE = `ab</s>cd`;

describe("GGUF", () => {
  const u32 = (value: number): TypedValue => ({ type: "u32", value });
  const text = (value: string): TypedValue => ({ type: "string", value });
  const f32 = (value: number): TypedValue => ({ type: "f32", value });
  const bool = (value: boolean): TypedValue => ({ type: "bool", value });
  const list = (value: string[]): TypedValue => ({ type: "array", of: "string", value });

  /** The chain model as a GGUF; undefined takes a key out. */
  function write(
    change: Record<string, TypedValue | undefined>,
    more: TensorToStore[] = [],
    choose = (tensors: TensorToStore[]): TensorToStore[] => tensors,
  ): string {
    const { vocab } = byteTokenizer().model as { vocab: Record<string, number> };
    const metadata: Record<string, TypedValue | undefined> = {
      "general.architecture": text("llama"),
      "llama.block_count": u32(1),
      "llama.context_length": u32(512),
      "llama.embedding_length": u32(320),
      "llama.feed_forward_length": u32(64),
      "llama.attention.head_count": u32(5),
      "llama.attention.head_count_kv": u32(5),
      "llama.attention.layer_norm_rms_epsilon": { type: "f32", value: 1e-5 },
      "tokenizer.ggml.model": text("gpt2"),
      "tokenizer.ggml.pre": text("gpt-2"),
      "tokenizer.ggml.tokens": list([...Object.keys(vocab), "<s>", "</s>"]),
      "tokenizer.ggml.token_type": { type: "array", of: "i32", value: [...Array<number>(256).fill(1), 3, 3] },
      "tokenizer.ggml.merges": list([]),
      "tokenizer.ggml.eos_token_id": u32(LAST_END),
      ...change,
    };
    const entries = Object.entries(metadata).filter(([, value]) => value !== undefined);
    const tensors = [...chainTensors()].map(([name, { shape, data }]) => ({
      name: ggufName(name),
      dtype: "F32" as const,
      shape,
      data: new Uint8Array((data as Float32Array).buffer),
    }));
    const path = join(temporaryFolder(), "model.gguf");
    writeFileSync(
      path,
      encodeGguf({ metadata: entries as [string, TypedValue][], tensors: choose([...tensors, ...more]) }),
    );
    return path;
  }
  /** Keys of llama.cpp's converters, old and new, and of its quantising and splitting, for a model without anything special. */
  const WRITTEN: Record<string, TypedValue> = {
    "general.type": text("model"),
    "general.name": text("chain"),
    "general.file_type": u32(0),
    "general.quantization_version": u32(2),
    "general.base_model.0.name": text("base"),
    "general.sampling.temp": f32(0.6),
    "general.source.hf.repository": text("owner/name"),
    "quantize.imatrix.file": text("imatrix.dat"),
    "split.no": { type: "u16", value: 0 },
    "split.count": { type: "u16", value: 0 },
    "split.tensors.count": { type: "i32", value: 12 },
    "llama.vocab_size": u32(320),
    "llama.tensor_data_layout": text("Meta AI original pth"),
    "llama.attention.key_length": u32(64),
    "llama.attention.value_length": u32(64),
    "llama.attention.causal": bool(true),
    "llama.attention.sliding_window": u32(0),
    "llama.rope.dimension_count": u32(64),
    "llama.rope.freq_base": f32(1e4),
    "llama.rope.scaling.type": text("linear"),
    "llama.rope.scaling.factor": f32(1),
    "llama.rope.scaling.original_context_length": u32(512),
    "llama.rope.scaling.finetuned": bool(false),
    "llama.expert_count": u32(0),
    "llama.expert_used_count": u32(0),
    "tokenizer.ggml.scores": { type: "array", of: "f32", value: [0] },
    "tokenizer.ggml.add_bos_token": bool(false),
    "tokenizer.ggml.add_eos_token": bool(false),
    "tokenizer.ggml.add_space_prefix": bool(false),
    "tokenizer.ggml.unknown_token_id": u32(0),
    "tokenizer.ggml.padding_token_id": u32(0),
    "tokenizer.ggml.fim_pre_token_id": u32(0),
    "tokenizer.chat_template": text("x"),
    "tokenizer.chat_template.tool_use": text("x"),
    "tokenizer.chat_templates": list(["tool_use"]),
  };
  const frequencies = (value: number): TensorToStore => ({
    name: "rope_freqs.weight",
    dtype: "F32",
    shape: [32],
    data: new Uint8Array(new Float32Array(32).fill(value).buffer),
  });

  it.each<[string, Record<string, TypedValue | undefined>, string, TensorToStore[]?]>([
    ["eos alone", {}, WHOLE],
    ["eot", { "tokenizer.ggml.eot_token_id": u32(FIRST_END) }, "ab"],
    ["eom", { "tokenizer.ggml.eom_token_id": u32(FIRST_END) }, "ab"],
    ["one part of one", { "split.count": { type: "u16", value: 1 } }, WHOLE],
    ["an odd chat template", { "tokenizer.chat_template": u32(1) }, WHOLE],
    ["frequencies divided by 1", {}, WHOLE, [frequencies(1)]],
    ["no scaling", { "llama.rope.scaling.type": text("none") }, WHOLE],
    ["all that llama.cpp's converter writes for a Llama", WRITTEN, WHOLE],
    [
      "a window over all, whichever layers have it",
      {
        "llama.attention.sliding_window": u32(512),
        "llama.attention.sliding_window_pattern": { type: "array", of: "bool", value: [true] },
      },
      WHOLE,
    ],
    ["keys of other programs", { "someone.quantized_by": text("them"), "someone.version": u32(3) }, WHOLE],
  ])("answers with %s", async (_, change, expected, more) => {
    expect(await answer(write(change, more))).toBe(expected);
  });

  it.each<[string, Record<string, TypedValue>, Refusal, TensorToStore[]?]>([
    [
      "a part of two",
      { "split.count": { type: "u16", value: 2 }, "split.no": { type: "u16", value: 0 } },
      { code: "gguf-split", names: ["one of 2 parts", "-00001-of-00002.gguf"] },
    ],
    [
      "a way to cut texts that is not known",
      { "tokenizer.ggml.pre": text("deepseek-llm") },
      { code: "tokenizer-unsupported", names: ['"deepseek-llm"', "gpt-2 or tekken or smollm"] },
    ],
    [
      "an unknown scaling",
      { "llama.rope.scaling.type": text("longrope") },
      { code: "model-config-invalid", names: ["longrope"] },
    ],
    [
      "a factor without a type",
      { "llama.rope.scaling.factor": { type: "f32", value: 4 } },
      { code: "model-config-invalid", names: ["llama.rope.scaling.factor 4"] },
    ],
    [
      "an older spelling",
      { "llama.rope.scale_linear": { type: "f32", value: 4 } },
      { code: "model-config-invalid", names: ["llama.rope.scale_linear 4"] },
    ],
    [
      "scaled frequencies",
      {},
      { code: "model-config-invalid", names: ["rope_freqs.weight"] },
      [frequencies(8)],
    ],
    [
      "a bias",
      {},
      { code: "weights-invalid", names: ["blk.0.attn_q.bias", "unexpected"] },
      [{ name: "blk.0.attn_q.bias", dtype: "F32", shape: [320], data: new Uint8Array(1280) }],
    ],
    [
      "a softcap",
      { "llama.final_logit_softcapping": { type: "f32", value: 30 } },
      { code: "model-config-invalid", names: ["llama.final_logit_softcapping 30"] },
    ],
  ])("refuses %s", async (_, change, expected, more) => {
    await refuses(write(change, more), expected);
  });

  it.each<[string, TypedValue]>([
    ["llama.attention.value_length", u32(32)],
    ["llama.attention.causal", bool(false)],
    ["llama.attention.scale", f32(0.5)],
    ["llama.attention.logit_softcapping", f32(50)],
    ["llama.attention.qk_norm", bool(true)],
    ["llama.attention.sliding_window_pattern", u32(2)],
    ["llama.attention.temperature_scale", f32(0.1)],
    ["llama.expert_count", u32(8)],
    ["llama.residual_multiplier", f32(0.2)],
    ["llama.rope.dimension_count", u32(32)],
    ["llama.rope.dimension_sections", { type: "array", of: "i32", value: [16, 16, 0, 0] }],
    ["llama.rope.freq_base_swa", f32(1e6)],
    ["llama.rope.partial_factor", f32(0.5)],
    ["llama.rope.scaling.yarn_log_multiplier", f32(0.1)],
    ["llama.swin_norm", bool(true)],
    ["llama.tensor_data_layout", text("jploski")],
    ["llama.anything", u32(1)],
    // Under another name than the architecture's
    ["mistral.rope.scaling.factor", f32(4)],
    ["rope.freq_base", f32(5e5)],
    ["general.type", text("adapter")],
    ["general.type", text("mmproj")],
  ])("refuses %s by name: %j", async (key, value) => {
    await refuses(write({ [key]: value }), { code: "model-config-invalid", names: [key] });
  });

  it.each<[string, Record<string, TypedValue | undefined>, string]>([
    ["a space before texts", { "tokenizer.ggml.add_space_prefix": bool(true) }, "tokenizer-unsupported"],
    [
      "a normalizer",
      { "tokenizer.ggml.precompiled_charsmap": { type: "array", of: "u8", value: [1] } },
      "tokenizer-unsupported",
    ],
    ["an unknown key", { "tokenizer.ggml.lowercase": bool(true) }, "tokenizer-unsupported"],
    ["no way to cut texts", { "tokenizer.ggml.pre": undefined }, "tokenizer-unsupported"],
    ["a start of texts that is none", { "tokenizer.ggml.add_bos_token": bool(true) }, "tokenizer-invalid"],
    ["an end that is no token", { "tokenizer.ggml.eot_token_id": u32(300) }, "tokenizer-invalid"],
    [
      "types of other tokens",
      { "tokenizer.ggml.token_type": { type: "array", of: "i32", value: [3] } },
      "tokenizer-invalid",
    ],
  ])("refuses a tokenizer with %s", async (_, change, code) => {
    await refuses(write(change), { code, names: Object.keys(change) });
  });

  describe("named as a part", () => {
    const named = (path: string, name: string): string => {
      const part = join(dirname(path), name);
      renameSync(path, part);
      return part;
    };

    it("says so where a part of the model is missing", async () => {
      const first = write({}, [], (tensors) => tensors.slice(0, 3));
      await refuses(named(first, "m-00001-of-00003.gguf"), {
        code: "gguf-split",
        names: ["m-00001-of-00003.gguf", "part 1 of 3", "is missing", "llama-gguf-split --merge"],
      });
      const bare = write({ "general.architecture": undefined });
      await refuses(named(bare, "m-00002-of-00003.gguf"), {
        code: "gguf-split",
        names: ["part 2 of 3", "general.architecture is missing"],
      });
    });

    it("loads where nothing is missing, and is refused for what else it has", async () => {
      expect(await answer(named(write({}), "m-00001-of-00003.gguf"))).toBe(WHOLE);
      const scaled = write({ "llama.rope.scaling.type": text("longrope") });
      await refuses(named(scaled, "m-00001-of-00003.gguf"), {
        code: "model-config-invalid",
        names: ["longrope"],
      });
    });
  });

  it.each(["m.gguf.part1of2", "m.gguf-split-a"])("is joined first where it is cut into %s", async (name) => {
    const path = join(temporaryFolder(), name);
    writeFileSync(path, "");
    await refuses(path, { code: "base-unknown", names: [name, "a piece of a .gguf file", "cat "] });
  });

  it("refuses one tensor under two names", async () => {
    const head = { name: "lm_head.weight", dtype: "F32" as const, shape: [1], data: new Uint8Array(4) };
    await refuses(write({}, [head]), { code: "weights-invalid", names: ["output.weight", "lm_head.weight"] });
  });
});
