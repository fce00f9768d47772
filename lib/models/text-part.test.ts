/** Models of text and images (Devstral Small 2 and its kin), of which the text part runs. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { ibert } from "../cli/testing/run-program.js";
import { writeSafetensors, type TensorToWrite } from "../formats/safetensors-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { configFromHuggingFace } from "./config.js";
import { mergeAdapter } from "./merge.js";
import { resolveSource } from "./sources.js";
import { answer, check } from "./testing/chain-checks.js";
import { CHAIN_CONFIG, writeChainModel, type ChainModel } from "./testing/chain-model.js";
import { familyFolder, familyGolden, familyWeights } from "./testing/families.js";
import { writeSmallAdapter } from "./testing/small-model.js";
import { expectedTensors, openWeights, readWeight } from "./weights.js";

type Config = Record<string, unknown>;

/** `config.json` of the whole, with keys as Mistral 3's models have them. */
const wholeConfig = (text: Config, around: Config = {}): Config => ({
  architectures: ["Mistral3ForConditionalGeneration"],
  model_type: "mistral3",
  image_token_index: 10,
  multimodal_projector_bias: true,
  projector_hidden_act: "gelu",
  spatial_merge_size: 2,
  vision_feature_layer: -1,
  vision_config: { model_type: "pixtral", hidden_act: "gelu", rope_theta: 1e4, attention_bias: true },
  text_config: text,
  ...around,
});

/** How releases of transformers name the tensors of the whole. */
const LAYOUTS: Record<string, (name: string) => string> = {
  "language_model.model": (name) =>
    /^(vision_tower|multi_modal_projector)/.test(name) ? name : `language_model.${name}`,
  "model.language_model": (name) => {
    if (name.startsWith("lm_head.")) return name;
    return name.startsWith("model.") ? name.replace("model.", "model.language_model.") : `model.${name}`;
  },
};
const layouts = Object.entries(LAYOUTS);

/** The tensors under the whole's names, with two of a vision part. */
function asWhole(tensors: Map<string, TensorToWrite>, layout: (name: string) => string): void {
  const vision: TensorToWrite = { dtype: "F32", shape: [2, 3], data: new Float32Array(6).fill(9) };
  const text = [...tensors];
  tensors.clear();
  for (const [name, tensor] of text) tensors.set(layout(name), tensor);
  tensors.set(layout("vision_tower.transformer.layers.0.attention.q_proj.weight"), vision);
  tensors.set(layout("multi_modal_projector.linear_1.weight"), vision);
}

const CHAIN_TEXT: Config = {
  ...CHAIN_CONFIG,
  architectures: undefined,
  model_type: "mistral",
  sliding_window: null,
};

const whole = (
  text: Config = {},
  around: Config = {},
  layout: (name: string) => string = LAYOUTS["language_model.model"] as (name: string) => string,
  change: (tensors: Map<string, TensorToWrite>) => void = () => undefined,
): ChainModel => ({
  tensors: (tensors) => {
    asWhole(tensors, layout);
    change(tensors);
  },
  files: { "config.json": JSON.stringify(wholeConfig({ ...CHAIN_TEXT, ...text }, around)) },
});

describe.each(layouts)("a text part under %s", (_, layout) => {
  it("answers, and its vision part is a remark", async () => {
    const folder = temporaryFolder();
    await writeChainModel(folder, whole({}, {}, layout));
    expect(await answer(folder)).toBe("ab");
    const remark = expect.stringMatching(/text part is used.*multi_modal_projector: 2\) is left aside/);
    expect(openWeights(await resolveSource(folder)).remarks).toEqual([remark]);
    const { code, stderr } = await ibert(["model", "inspect", folder]);
    expect([code, stderr]).toEqual([0, remark]);
  });

  it("of Ministral 3 is the model of text alone, weight by weight", async () => {
    const alone = await familyFolder("ministral3");
    const folder = temporaryFolder();
    const tensors = familyWeights(expectedTensors(configFromHuggingFace(join(alone, "config.json"))));
    asWhole(tensors, layout);
    await writeSafetensors(join(folder, "model.safetensors"), tensors);
    const config = JSON.stringify(wholeConfig(familyGolden("ministral3").config));
    writeFileSync(join(folder, "config.json"), config);
    const own = openWeights(await resolveSource(alone));
    const part = openWeights(await resolveSource(folder));
    expect(part.config).toEqual(own.config);
    expect(part.names).toEqual(own.names);
    for (const name of own.names) {
      const [one, other] = [await readWeight(part.tensor(name)), await readWeight(own.tensor(name))];
      expect(Buffer.compare(one, other), name).toBe(0);
    }
  });

  it("is merged into a model of text alone", async () => {
    const folder = temporaryFolder();
    const [base, output] = [join(folder, "base"), join(folder, "merged")];
    const ends = CHAIN_CONFIG.eos_token_id;
    await writeChainModel(base, whole({ eos_token_id: null }, { eos_token_id: ends }, layout));
    const source = await resolveSource(base);
    const { config } = openWeights(source);
    await writeSmallAdapter(join(folder, "adapter"), config);
    await mergeAdapter({ source, adapter: join(folder, "adapter"), output, dtype: "f32" });
    expect(JSON.parse(readFileSync(join(output, "config.json"), "utf8"))).toMatchObject({
      architectures: ["MistralForCausalLM"],
      model_type: "mistral",
      eos_token_id: ends,
    });
    const merged = openWeights(await resolveSource(output));
    expect([merged.config, merged.remarks]).toEqual([config, []]);
    expect(await answer(output)).toBe("ab");
  });
});

describe("keys around a text part", () => {
  it.each<[string, Config, Config, string]>([
    ["ends beside it", { eos_token_id: null }, { eos_token_id: CHAIN_CONFIG.eos_token_id }, "ab"],
    ["a head tied by the whole, stored all the same", {}, { tie_word_embeddings: true }, "ab"],
  ])("counts %s", async (_, text, around, expected) => {
    await check(whole(text, around), expected);
  });

  it("ties the head where the whole says so and none is stored", async () => {
    const layout = LAYOUTS["model.language_model"] as (name: string) => string;
    const noHead = (tensors: Map<string, TensorToWrite>): void => void tensors.delete("lm_head.weight");
    await check(whole({}, { tie_word_embeddings: true }, layout, noHead), "xxxxxx");
    await check(whole({}, {}, layout, noHead), {
      code: "weights-invalid",
      names: ["lm_head.weight", "missing"],
    });
  });

  it.each<[Config, Config, string[]]>([
    [{ hidden_act: "gelu" }, {}, ["(text_config)", 'hidden_act "gelu"']],
    [{ attention_scale: 0.5 }, {}, ["(text_config)", "attention_scale 0.5"]],
    [{ vocab_size: 0 }, {}, ["(text_config)", "vocab_size"]],
    [{ rope_scaling: { type: "dynamic", factor: 2 } }, {}, ["(text_config)", '"dynamic"']],
    [{ model_type: "qwen2" }, {}, ['text_config.model_type "qwen2"']],
    [{ model_type: undefined }, {}, ["text_config.model_type null"]],
    [{}, { text_config: null }, ["text_config null"]],
    [{}, { text_config: undefined }, ["text_config null"]],
    [{}, { text_config: [1] }, ["text_config [1]"]],
    [{}, { quantization_config: { quant_method: "awq" } }, ["quantization_config", "awq"]],
    [{}, { attention_multiplier: 0.01 }, ["attention_multiplier 0.01"]],
    [{}, { tie_word_embeddings: "yes" }, ["tie_word_embeddings"]],
    [{}, { model_type: "llava" }, ["config.json"]],
  ])("refuses %j within and %j around", async (text, around, names) => {
    await check(whole(text, around), { code: "model-config-invalid", names: ["config.json", ...names] });
  });
});

describe("tensors of the whole", () => {
  const stray: TensorToWrite = { dtype: "F32", shape: [320], data: new Float32Array(320).fill(1) };
  const withOne = (name: string): ChainModel =>
    whole({}, {}, undefined, (tensors) => tensors.set(name, stray));

  it.each([
    "language_model.model.layers.0.self_attn.q_proj.bias",
    "language_model.vision_tower.weight",
    "vision_towers.weight",
    "audio_tower.weight",
    "language_model.norm.weight",
  ])("refuses %s", async (name) => {
    await check(withOne(name), { code: "weights-invalid", names: [name, "unexpected"] });
  });

  it.each(["model.language_model.norm.weight", "model.norm.weight"])(
    "refuses %s beside the other name of the same",
    async (name) => {
      const names = [name, "language_model.model.norm.weight", "are both model.norm.weight"];
      await check(withOne(name), { code: "weights-invalid", names });
    },
  );

  it("names a missing weight", async () => {
    const name = "language_model.model.norm.weight";
    const without = whole({}, {}, undefined, (tensors) => void tensors.delete(name));
    await check(without, { code: "weights-invalid", names: ["model.norm.weight", "missing"] });
  });

  it("are those of no model of text alone", async () => {
    const model: ChainModel = {
      tensors: (tensors) => tensors.set("multi_modal_projector.linear_1.weight", stray),
    };
    const refusal = { code: "weights-invalid", names: ["multi_modal_projector", "unexpected"] };
    await check(model, refusal);
  });
});
