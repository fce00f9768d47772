/** Model folders and GGUFs as people have them: what each answers, or by what name it is refused. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { tokenizeRow } from "../data/segments.js";
import { currentDirectory } from "../formats/atomic.js";
import { readJson } from "../formats/json.js";
import type { TensorToWrite } from "../formats/safetensors-writer.js";
import { encodeGguf, type TensorToStore, type TypedValue } from "../formats/testing/gguf-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { readAdapter } from "./adapter-file.js";
import { loadTokenizer } from "./load-tokenizer.js";
import { mergeAdapter } from "./merge.js";
import { resolveSource } from "./sources.js";
import {
  CHAIN_CONFIG,
  chainHead,
  chainTensors,
  FIRST_END,
  LAST_END,
  writeChainModel,
  type ChainModel,
} from "./testing/chain-model.js";
import { answer, check, refuses, type Refusal } from "./testing/chain-checks.js";
import { byteTokenizer, writeSmallAdapter } from "./testing/small-model.js";
import { openWeights } from "./weights.js";

const WHOLE = `ab</s>cd`;

describe("ends of text", () => {
  it.each<[string, ChainModel, string]>([
    ["a list in config.json", { config: { eos_token_id: [LAST_END, FIRST_END] } }, "ab"],
    ["one in config.json", { config: { eos_token_id: FIRST_END } }, "ab"],
    ["the tokenizer's alone", { config: { eos_token_id: LAST_END } }, WHOLE],
    ["none in config.json", { config: { eos_token_id: undefined } }, WHOLE],
    [
      "one under text_config",
      { config: { eos_token_id: null, text_config: { eos_token_id: FIRST_END } } },
      "ab",
    ],
    [
      "a list in generation_config.json",
      {
        config: { eos_token_id: LAST_END },
        files: { "generation_config.json": `{"eos_token_id": [${LAST_END}, ${FIRST_END}]}` },
      },
      "ab",
    ],
    [
      "odd values in generation_config.json",
      {
        config: { eos_token_id: LAST_END },
        files: { "generation_config.json": '{"eos_token_id": "none", "temperature": "hot"}' },
      },
      WHOLE,
    ],
    [
      "a damaged generation_config.json",
      { config: { eos_token_id: LAST_END }, files: { "generation_config.json": "{" } },
      WHOLE,
    ],
    [
      "one in special_tokens_map.json",
      {
        config: { eos_token_id: LAST_END },
        files: { "special_tokens_map.json": '{"eos_token": {"content": "</s>"}}' },
      },
      "ab",
    ],
    [
      "one in tokenizer_config.json",
      { config: { eos_token_id: LAST_END }, tokenizerConfig: { eos_token: "</s>" } },
      "ab",
    ],
  ])("%s", async (_, model, expected) => {
    await check(model, expected);
  });
});

describe("keys that change the numbers", () => {
  const yarn = { factor: 4, original_max_position_embeddings: 128 };
  it.each<[Record<string, unknown>, string[]]>([
    [{ rope_parameters: { type: "linear", factor: 4, rope_theta: 1e4 } }, ["rope_parameters", '"linear"']],
    [{ rope_parameters: { rope_type: "yarn", ...yarn } }, ["rope_parameters", '"yarn"']],
    [{ rope_parameters: { full_attention: { type: "llama3", factor: 8 } } }, ["full_attention", '"llama3"']],
    [{ rope_scaling: { type: "dynamic", factor: 2 } }, ["rope_scaling", '"dynamic"']],
    [{ rope_scaling: { factor: 2 } }, ["rope_scaling", "factor 2"]],
    [
      { rope_parameters: { rope_theta: 5e5 } },
      ["rope_parameters.rope_theta is 500000", "rope_theta is 10000"],
    ],
    [
      { rope_parameters: { rope_type: "default", partial_rotary_factor: 0.5 } },
      ["partial_rotary_factor 0.5"],
    ],
    [{ partial_rotary_factor: 0.25 }, ["partial_rotary_factor 0.25"]],
    [{ rotary_pct: 0.5 }, ["rotary_pct 0.5"]],
    [{ hidden_act: "gelu" }, ['hidden_act "gelu"']],
    [{ hidden_activation: "gelu_pytorch_tanh" }, ["hidden_activation"]],
    [{ attention_bias: true }, ["attention_bias"]],
    [{ mlp_bias: true }, ["mlp_bias"]],
    [{ attn_logit_softcapping: 50 }, ["attn_logit_softcapping 50"]],
    [{ final_logit_softcapping: 30 }, ["final_logit_softcapping 30"]],
    [{ logit_scale: 0.0625 }, ["logit_scale"]],
    [{ attention_multiplier: 0.01 }, ["attention_multiplier"]],
    [{ residual_multiplier: 0.2 }, ["residual_multiplier"]],
    [{ embedding_multiplier: 12 }, ["embedding_multiplier"]],
    [{ num_local_experts: 8 }, ["num_local_experts 8"]],
    [{ quantization_config: { quant_method: "awq", bits: 4 } }, ["quantization_config", "awq"]],
    [{ quantization: { group_size: 64, bits: 4 } }, ["quantization", "MLX"]],
    [{ layer_types: ["sliding_attention"] }, ["layer_types", "sliding_attention"]],
    [{ no_rope_layers: [0] }, ["no_rope_layers"]],
    [{ use_qk_norm: true }, ["use_qk_norm"]],
    [{ pretraining_tp: 2 }, ["pretraining_tp 2"]],
    // Names that no model known here has.
    [{ attention_scale: 0.5 }, ["attention_scale 0.5"]],
    [{ mup_width_multiplier: 4 }, ["mup_width_multiplier 4"]],
    [{ use_scaled_rope: true }, ["use_scaled_rope true"]],
  ])("refuses %j", async (config, names) => {
    await check({ config }, { code: "model-config-invalid", names: ["config.json", ...names] });
  });

  it("takes them where they leave the numbers alone", async () => {
    const config = {
      rope_theta: null,
      rope_parameters: { full_attention: { rope_type: "default", rope_theta: 1e4, factor: 1 } },
      rope_scaling: null,
      partial_rotary_factor: 1,
      attention_bias: false,
      attn_logit_softcapping: null,
      attention_multiplier: 0.125,
      logits_scaling: 1,
      num_local_experts: 0,
      layer_types: ["full_attention"],
      no_rope_layers: [1],
      pretraining_tp: 1,
      quantization_config: null,
      sliding_window: 128,
      attention_dropout: 0.1,
      attention_softmax_in_fp32: true,
      use_fused_rms_norm: true,
      mup_scale: 1,
      norm_topk_prob: false,
    };
    await check({ config }, "ab");
  });
});

describe("tensors", () => {
  const wrongHead = (tensors: Map<string, TensorToWrite>): void => {
    // `x` is answered with "..." by the embedding that stands in for the head.
    tensors.delete("lm_head.weight");
  };
  const extra =
    (name: string, shape: number[]) =>
    (tensors: Map<string, TensorToWrite>): void => {
      const size = shape.reduce((a, b) => a * b, 1);
      tensors.set(name, { dtype: "F32", shape, data: new Float32Array(size).fill(1) });
    };

  it("a stored head wins over tie_word_embeddings", async () => {
    await check({ config: { tie_word_embeddings: true } }, "ab");
    const folder = temporaryFolder();
    await writeChainModel(folder, { config: { tie_word_embeddings: true } });
    const source = await resolveSource(folder);
    expect(openWeights(source).remarks).toEqual([expect.stringContaining("lm_head.weight")]);
  });

  it("a tied head without a tensor, or with the embedding's, is the embedding", async () => {
    await check({ config: { tie_word_embeddings: true }, tensors: wrongHead }, "xxxxxx");
    const folder = temporaryFolder();
    await writeChainModel(folder, {
      config: { tie_word_embeddings: true },
      tensors: (tensors) => tensors.set("lm_head.weight", tensors.get("model.embed_tokens.weight")!),
    });
    const weights = openWeights(await resolveSource(folder));
    expect([weights.config.tieWordEmbeddings, weights.remarks]).toEqual([true, []]);
  });

  it("a merge writes the stored head", async () => {
    const folder = temporaryFolder();
    const base = join(folder, "base");
    await writeChainModel(base, { config: { tie_word_embeddings: true } });
    const source = await resolveSource(base);
    await writeSmallAdapter(join(folder, "adapter"), openWeights(source).config);
    const output = join(folder, "merged");
    const { tensors } = await mergeAdapter({
      source,
      adapter: join(folder, "adapter"),
      output,
      dtype: "f32",
    });
    expect(tensors).toBe(12);
    expect(await answer(output)).toBe("ab");
    expect(openWeights(await resolveSource(output)).remarks).toEqual([]);
  });

  it.each<[string, number[]]>([
    ["model.layers.0.self_attn.q_proj.bias", [320]],
    ["model.layers.0.self_attn.q_norm.weight", [64]],
    ["model.layers.1.input_layernorm.weight", [320]],
    ["model.layers.0.self_attn.q_proj.lora_A.weight", [4, 320]],
    ["vision_tower.patch_conv.weight", [4, 4]],
    ["lm_head.bias", [320]],
  ])("refuses %s", async (name, shape) => {
    await check({ tensors: extra(name, shape) }, { code: "weights-invalid", names: [name, "unexpected"] });
  });

  it("passes over frequencies that follow from the configuration", async () => {
    await check({ tensors: extra("model.layers.0.self_attn.rotary_emb.inv_freq", [32]) }, "ab");
  });

  it("names a missing head", async () => {
    await check({ tensors: wrongHead }, { code: "weights-invalid", names: ["lm_head.weight", "missing"] });
  });
});

describe("token ids and the embedding", () => {
  const added =
    (id: number, content: string) =>
    (json: Record<string, unknown>): void => {
      (json.added_tokens as object[]).push({ ...(json.added_tokens as object[])[0], id, content });
    };

  it("refuses a token without a row, by token, id and rows", async () => {
    const refusal = { code: "token-without-row", names: ['"<col>"', "400", "320 rows"] };
    await check({ tokenizer: added(400, "<col>") }, refusal);
    await check({ tokenizer: added(320, "<col>") }, { ...refusal, names: ['"<col>"', "320"] });
  });

  it("takes rows without tokens, which decode to nothing", async () => {
    await check({ tokenizer: added(319, "<col>") }, "ab");
    const head = chainHead(["x", "a", 300, "b", FIRST_END]);
    await check(
      {
        tensors: (tensors) => tensors.set("lm_head.weight", { dtype: "F32", shape: [320, 320], data: head }),
      },
      "ab",
    );
  });

  it("names the row of a corpus that holds one", () => {
    const tokenizer = { encode: () => [5, 400], eosId: 1, rows: 320, textOf: () => "<col>" };
    const format = { prompt: () => "p", completion: () => "c", stop: () => [] };
    const row = { id: "r7", task: "complete", fields: {}, completion: "c" } as never;
    expect(() => tokenizeRow(row, tokenizer, format, { row: 0, where: "train.jsonl:3" })).toThrow(
      /train\.jsonl:3: row r7: token "<col>" has the id 400, but the embedding has 320 rows/,
    );
  });
});

describe("what nothing needs refuses nothing", () => {
  it.each<[string, ChainModel]>([
    [
      "a list of chat templates",
      { tokenizerConfig: { chat_template: [{ name: "default", template: "x" }] } },
    ],
    ["a mapping of chat templates", { tokenizerConfig: { chat_template: { default: "x" } } }],
    ["an odd chat template", { tokenizerConfig: { chat_template: [1, null] } }],
    ["a broken chat template", { tokenizerConfig: { chat_template: "{% if %}{{" } }],
    ["a byte order mark before JSON", { files: { "config.json": `\ufeff${JSON.stringify(CHAIN_CONFIG)}` } }],
    [
      "one before tokenizer_config.json",
      { files: { "tokenizer_config.json": '\ufeff{"eos_token": "<s>"}' } },
    ],
    [
      "an index left over of another save",
      {
        files: {
          "model.safetensors.index.json":
            '{"weight_map": {"lm_head.weight": "model-00001-of-00002.safetensors"}}',
        },
      },
    ],
  ])("%s", async (_, model) => {
    await check(model, "ab");
  });

  it("uses the template named default", async () => {
    const folder = temporaryFolder();
    const chat_template = [
      { name: "tool_use", template: "tools" },
      { name: "default", template: "{{ messages[0].content }}!" },
    ];
    await writeChainModel(folder, { tokenizerConfig: { chat_template } });
    const tokenizer = loadTokenizer({ format: "huggingface", path: folder });
    expect(tokenizer.decode(tokenizer.applyChatTemplate([{ role: "user", content: "hi" }]))).toBe("hi!");
  });
});

describe("weights that are elsewhere", () => {
  const index = '{"weight_map": {"lm_head.weight": "model-00001-of-00002.safetensors"}}';
  it.each<[string, Record<string, string>, Refusal]>([
    [
      "shards of an index",
      { "model.safetensors.index.json": index },
      { code: "file-missing", names: ["model.safetensors.index.json", "model-00001-of-00002.safetensors"] },
    ],
    [
      "a pickle",
      { "pytorch_model.bin": "x" },
      { code: "weights-missing", names: ["pytorch_model.bin", "pickle"] },
    ],
    ["another pickle", { "model.pt": "x" }, { code: "weights-missing", names: ["model.pt", "pickle"] }],
    ["none", {}, { code: "weights-missing", names: ["no weights"] }],
  ])("%s", async (_, files, expected) => {
    const folder = temporaryFolder();
    await writeChainModel(folder, { files });
    rmSync(join(folder, "model.safetensors"));
    await refuses(folder, expected);
  });
});

describe("adapters", () => {
  const layer = "model.layers.0.self_attn";
  it.each<[string, unknown]>([
    ["a regular expression", "model\\.layers\\.\\d+\\.self_attn\\.(q_proj|v_proj)"],
    ["whole names", [`${layer}.q_proj`, `${layer}.v_proj`]],
    ["endings of names", ["self_attn.q_proj", "self_attn.v_proj"]],
  ])("target_modules as %s loads like plain names", async (_, target_modules) => {
    const folder = temporaryFolder();
    await writeChainModel(join(folder, "base"));
    const { config } = openWeights(await resolveSource(join(folder, "base")));
    const adapter = join(folder, "adapter");
    await writeSmallAdapter(adapter, config);
    const plain = await readAdapter(config, adapter);
    const home = await currentDirectory(adapter);
    const path = join(home, "adapter_config.json");
    writeFileSync(path, JSON.stringify({ ...(readJson(path) as object), target_modules }));
    const read = await readAdapter(config, adapter);
    expect(read.config).toEqual(plain.config);
    expect(read.values).toEqual(plain.values);
  });

  it.each<[unknown, RegExp]>([
    [["q_proj", "lm_head"], /target_modules: "lm_head" is none of q_proj/],
    [["q_proj", "v_proj", "mlp.up_proj"], /no tensor adapts up_proj/],
    [["model.layers.0.self_attn.q_proj"], /v_proj\.lora_A\.weight is unexpected/],
    ["", /target_modules/],
  ])("refuses target_modules %j", async (target_modules, message) => {
    const folder = temporaryFolder();
    await writeChainModel(join(folder, "base"));
    const { config } = openWeights(await resolveSource(join(folder, "base")));
    await writeSmallAdapter(join(folder, "adapter"), config);
    const path = join(await currentDirectory(join(folder, "adapter")), "adapter_config.json");
    writeFileSync(path, JSON.stringify({ ...(readJson(path) as object), target_modules }));
    await expect(readAdapter(config, join(folder, "adapter"))).rejects.toThrow(message);
  });
});

describe("GGUF", () => {
  const u32 = (value: number): TypedValue => ({ type: "u32", value });
  const text = (value: string): TypedValue => ({ type: "string", value });
  const list = (value: string[]): TypedValue => ({ type: "array", of: "string", value });
  const NAMES: [RegExp, string][] = [
    [/^model\.embed_tokens/, "token_embd"],
    [/^model\.norm/, "output_norm"],
    [/^lm_head/, "output"],
    [/^model\.layers/, "blk"],
    [/self_attn\.o_proj/, "attn_output"],
    [/self_attn\.([qkv])_proj/, "attn_$1"],
    [/input_layernorm/, "attn_norm"],
    [/post_attention_layernorm/, "ffn_norm"],
    [/mlp\.(gate|up|down)_proj/, "ffn_$1"],
  ];

  /** The chain model as a GGUF; undefined takes a key out. */
  function write(change: Record<string, TypedValue | undefined>, more: TensorToStore[] = []): string {
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
      name: NAMES.reduce((result, [from, to]) => result.replace(from, to), name),
      dtype: "F32" as const,
      shape,
      data: new Uint8Array((data as Float32Array).buffer),
    }));
    const path = join(temporaryFolder(), "model.gguf");
    writeFileSync(
      path,
      encodeGguf({ metadata: entries as [string, TypedValue][], tensors: [...tensors, ...more] }),
    );
    return path;
  }
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
  ])("answers with %s", async (_, change, expected, more) => {
    expect(await answer(write(change, more))).toBe(expected);
  });

  it.each<[string, Record<string, TypedValue>, Refusal, TensorToStore[]?]>([
    [
      "a part of two",
      { "split.count": { type: "u16", value: 2 }, "split.no": { type: "u16", value: 0 } },
      { code: "gguf-split", names: ["part 1 of 2", "llama-gguf-split --merge"] },
    ],
    [
      "Tekken",
      { "tokenizer.ggml.pre": text("tekken") },
      { code: "tokenizer-unsupported", names: ['"tekken"', "tekken.json"] },
    ],
    ["yarn", { "llama.rope.scaling.type": text("yarn") }, { code: "model-config-invalid", names: ["yarn"] }],
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
});
