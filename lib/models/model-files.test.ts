/** Model folders and GGUFs as people have them: what each answers, or by what name it is refused. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it, vi } from "vitest";

import { tokenizeRow } from "../data/segments.js";
import { currentDirectory } from "../formats/atomic.js";
import { readJson } from "../formats/json.js";
import type { TensorToWrite } from "../formats/safetensors-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { floatToBf16 } from "../runtime/bf16.js";
import { readAdapter } from "./adapter-file.js";
import { loadTokenizer } from "./load-tokenizer.js";
import { mergeAdapter } from "./merge.js";
import { resolveSource } from "./sources.js";
import {
  CHAIN_CONFIG,
  chainHead,
  FIRST_END,
  LAST_END,
  writeChainModel,
  type ChainModel,
} from "./testing/chain-model.js";
import { answer, check, refuses, type Refusal } from "./testing/chain-checks.js";
import { writeSmallAdapter } from "./testing/small-model.js";
import { openWeights } from "./weights.js";

/** Half precision of a number below 65504, rounded to the nearest. */
function toHalf(value: number): number {
  const exponent = Math.max(-14, Math.floor(Math.log2(value)));
  const fraction = Math.round(value / 2 ** (exponent - 10));
  return exponent === -14 && fraction < 1024 ? fraction : fraction - 1024 + ((exponent + 15) << 10);
}

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
    [{ rope_parameters: { rope_type: "yarn", ...yarn, alpha: 2 } }, ["rope_parameters.alpha 2"]],
    [{ rope_parameters: { rope_type: "longrope", ...yarn } }, ["rope_parameters", '"longrope"']],
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
    [{ layer_types: ["chunked_attention"], sliding_window: 512 }, ["layer_types", "chunked_attention"]],
    [{ sliding_window: 0 }, ["sliding_window"]],
    [{ no_rope_layers: [0] }, ["no_rope_layers"]],
    [{ use_qk_norm: true }, ["use_qk_norm"]],
    [{ pretraining_tp: 2 }, ["pretraining_tp 2"]],
    // Names that no model known here has.
    [{ attention_scale: 0.5 }, ["attention_scale 0.5"]],
    [{ mup_width_multiplier: 4 }, ["mup_width_multiplier 4"]],
    [{ use_scaled_rope: true }, ["use_scaled_rope true"]],
    [{ rotary_scaling: { type: "yarn", factor: 4 } }, ["rotary_scaling", "yarn"]],
    [{ residual_multipliers: [1, 0.5] }, ["residual_multipliers [1,0.5]"]],
    [{ is_causal: false }, ["is_causal false"]],
    [{ activation_function: "gelu" }, ['activation_function "gelu"']],
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
      attention_sinks: [],
      moe_layers: { first: 0, names: ["none"] },
      is_causal: true,
      norm_topk_prob: false,
    };
    await check({ config }, "ab");
  });

  it.each([512, 1024, 128])("takes windowed layers: no text outgrows a window of %d", async (window) => {
    const config = { layer_types: ["sliding_attention"], sliding_window: window };
    await check({ config }, "ab");
    const folder = temporaryFolder();
    await writeChainModel(folder, { config });
    expect(openWeights(await resolveSource(folder)).config.contextLength).toBe(Math.min(window, 512));
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

  it("which is a warning where the model is loaded, once", async () => {
    const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const folder = temporaryFolder();
    await writeChainModel(folder, { config: { tie_word_embeddings: true } });
    for (let i = 0; i < 2; i++) await answer(folder);
    expect(warning.mock.calls).toEqual([
      [
        expect.stringContaining(`${folder}: the configuration ties`),
        { type: "IBertWarning", code: "IBERT_MODEL" },
      ],
    ]);
    warning.mockRestore();
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

  it("a merge keeps the tokens that stand beside tokenizer.json", async () => {
    const folder = temporaryFolder();
    const base = join(folder, "base");
    await writeChainModel(base, { files: { "added_tokens.json": '{"<col>": 300}' } });
    const source = await resolveSource(base);
    await writeSmallAdapter(join(folder, "adapter"), openWeights(source).config);
    const output = join(folder, "merged");
    await mergeAdapter({ source, adapter: join(folder, "adapter"), output });
    expect(loadTokenizer(await resolveSource(output)).encode("a<col>")).toEqual([97, 300]);
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

  it("refuses divisors of frequencies, which only a GGUF has", async () => {
    await check(
      { tensors: extra("rope_freqs.weight", [32]) },
      { code: "weights-invalid", names: ["rope_freqs.weight", "unexpected"] },
    );
  });

  describe("frequencies of positions", () => {
    const name = "model.layers.0.self_attn.rotary_emb.inv_freq";
    const computed = (theta: number, factor = 1): Float32Array =>
      Float32Array.from({ length: 32 }, (_, i) => theta ** (-i / 32) / factor);
    const stored =
      (data: Float32Array | Uint8Array, dtype: "F32" | "F16" | "BF16" | "F64" | "I64" = "F32") =>
      (tensors: Map<string, TensorToWrite>): void => {
        const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
        const shape = [bytes.length / { F16: 2, BF16: 2, F32: 4, F64: 8, I64: 8 }[dtype]];
        tensors.set(name, { dtype, shape, data: dtype === "F32" ? data : bytes });
      };
    const bytesOf = (values: Float64Array | Uint16Array): Uint8Array => new Uint8Array(values.buffer);

    it.each<[string, ChainModel]>([
      ["as computed", { tensors: stored(computed(1e4)) }],
      ["in double precision", { tensors: stored(bytesOf(Float64Array.from(computed(1e4))), "F64") }],
      ["rounded to bf16", { tensors: stored(bytesOf(floatToBf16(computed(1e4))), "BF16") }],
      [
        "rounded to half precision, where the last are subnormal",
        {
          config: { rope_theta: 1e6 },
          tensors: stored(bytesOf(Uint16Array.from(computed(1e6), toHalf)), "F16"),
        },
      ],
    ])("passes over those that are %s", async (_, model) => {
      await check(model, "ab");
    });

    it.each<[string, ChainModel, string]>([
      ["of another base", { tensors: stored(computed(5e5)) }, "where rope_theta 10000 makes 0.7498942"],
      ["of stretched positions", { tensors: stored(computed(1e4, 4)) }, "0.25 at 0"],
      ["of one layer alone", { tensors: stored(computed(1e4).with(31, 0)) }, "0 at 31"],
      ["that are no number", { tensors: stored(computed(1e4).with(3, NaN)) }, "NaN at 3"],
      ["of another head", { tensors: stored(computed(1e4).slice(1)) }, "(31)"],
      ["in whole numbers", { tensors: stored(bytesOf(new Float64Array(32)), "I64") }, "I64"],
    ])("refuses those %s", async (_, model, part) => {
      await check(model, { code: "weights-invalid", names: [name, part] });
    });
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
    expect(read.config).toMatchObject({ ...plain.config, targets: target_modules });
    expect(read.layout.matrices).toEqual(plain.layout.matrices);
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
