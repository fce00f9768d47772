import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { readPeftAdapter, writePeftAdapter } from "./peft.js";
import { parsePeftConfig } from "./peft-config.js";
import { writeSafetensors, type TensorToWrite } from "./safetensors-writer.js";
import { openSafetensors } from "./safetensors.js";
import { failing, fullDisk } from "./testing/failing-file-system.js";
import { temporaryFolder } from "./testing/temporary.js";

// Made by PEFT itself.
const GOLDEN = fileURLToPath(new URL("../models/goldens/tiny-llama/adapter-qkvo", import.meta.url));
const Q_A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
const Q_B = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";

/** A copy of PEFT's adapter, its tensors changed. */
async function changed(change: (tensors: Map<string, TensorToWrite>) => void): Promise<string> {
  const folder = join(temporaryFolder(), "adapter");
  cpSync(GOLDEN, folder, { recursive: true });
  const { tensors } = await readPeftAdapter(GOLDEN);
  const copy = new Map<string, TensorToWrite>(tensors);
  change(copy);
  await writeSafetensors(join(folder, "adapter_model.safetensors"), copy);
  return folder;
}

describe("readPeftAdapter", () => {
  it("reads what PEFT wrote", async () => {
    const { config, tensors, ibert } = await readPeftAdapter(GOLDEN);
    expect(config).toEqual({
      rank: 4,
      alpha: 8,
      rsLora: false,
      dropout: 0,
      targets: ["k_proj", "o_proj", "q_proj", "v_proj"],
      baseModel: "tiny-llama",
    });
    expect(tensors).toHaveLength(2 * 4 * 2);
    expect(tensors.get(Q_A)).toMatchObject({ dtype: "F32", shape: [4, 64] });
    expect(ibert).toBeUndefined();
  });

  it("reads half-precision tensors", async () => {
    const folder = await changed((tensors) => {
      tensors.set(Q_A, { dtype: "BF16", shape: [4, 64], data: new Uint16Array(256).fill(0xbfc0) });
    });
    expect((await readPeftAdapter(folder)).tensors.get(Q_A)?.data).toEqual(new Float32Array(256).fill(-1.5));
  });

  it.each<[string, (tensors: Map<string, TensorToWrite>) => void, RegExp]>([
    [
      "a missing half",
      (t) => t.delete(Q_A),
      /tensor .*layers\.0\.self_attn\.q_proj\.lora_A\.weight is missing/,
    ],
    [
      "a module that is no target",
      (t) => t.set(Q_A.replace("q_proj", "up_proj"), t.get(Q_A) as TensorToWrite),
      /up_proj\.lora_A\.weight is unexpected: target_modules are k_proj, o_proj/,
    ],
    [
      "another kind of tensor",
      (t) => t.set("extra", t.get(Q_A) as TensorToWrite),
      /tensor extra is unexpected/,
    ],
    [
      "a rank other than r",
      (t) => t.set(Q_A, { dtype: "F32", shape: [2, 64], data: new Float32Array(128) }),
      /q_proj\.lora_A\.weight has the shape \(2, 64\); r = 4 needs \(4, in\)/,
    ],
    [
      "integers",
      (t) => t.set(Q_A, { dtype: "I32", shape: [4, 64], data: new Int32Array(256) }),
      /lora_A\.weight is I32; it must be F32, F16 or BF16/,
    ],
    [
      "a target without tensors",
      (t) => [...t.keys()].filter((name) => name.includes("o_proj")).forEach((name) => t.delete(name)),
      /no tensor adapts o_proj/,
    ],
  ])("refuses %s", async (_, change, message) => {
    await expect(readPeftAdapter(await changed(change))).rejects.toThrow(message);
  });

  it("refuses what the base model does not have, lacks, or has in another shape", async () => {
    const { tensors } = await readPeftAdapter(GOLDEN);
    const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
    await expect(readPeftAdapter(GOLDEN, () => shapes)).resolves.toBeDefined();
    const wider = new Map(shapes).set(Q_A, [4, 65]);
    await expect(readPeftAdapter(GOLDEN, () => wider)).rejects.toThrow(
      /lora_A\.weight has the shape \(4, 64\); the model needs \(4, 65\)/,
    );
    const deeper = new Map(shapes).set(Q_A.replace("layers.0", "layers.2"), [4, 64]);
    await expect(readPeftAdapter(GOLDEN, () => deeper)).rejects.toThrow(/layers\.2.*\(4, 64\) is missing/);
    const flatter = new Map(shapes);
    flatter.delete(Q_B);
    await expect(readPeftAdapter(GOLDEN, () => flatter)).rejects.toThrow(/lora_B\.weight is unexpected/);
  });

  it("names what is not there", async () => {
    const folder = temporaryFolder();
    await expect(readPeftAdapter(folder)).rejects.toThrow(/adapter_config\.json: cannot read: no such file/);
    cpSync(join(GOLDEN, "adapter_config.json"), join(folder, "adapter_config.json"));
    await expect(readPeftAdapter(folder)).rejects.toThrow(
      /adapter_model\.safetensors: cannot read: no such file/,
    );
    writeFileSync(join(folder, "adapter_config.json"), "{");
    await expect(readPeftAdapter(folder)).rejects.toMatchObject({ code: "json-invalid" });
  });
});

describe("parsePeftConfig", () => {
  const plain = JSON.parse(readFileSync(join(GOLDEN, "adapter_config.json"), "utf8")) as object;

  it.each<[string, unknown, RegExp]>([
    ["use_dora", true, /use_dora is true/],
    ["bias", "all", /bias: /],
    ["rank_pattern", { q_proj: 0 }, /rank_pattern\.q_proj: a rank is at least 1/],
    ["rank_pattern", { "(q_proj": 2 }, /regular expression .*q_proj.*: Invalid regular expression/],
    ["alpha_pattern", { q_proj: "2" }, /alpha_pattern\.q_proj/],
    ["layers_pattern", "layers", /layers_pattern is "layers", and there is no layers_to_transform/],
    ["exclude_modules", "(q)_proj\\1", /\(q\)_proj.*: a reference to a group is not supported/],
    ["fan_in_fan_out", true, /fan_in_fan_out is true/],
    ["lora_bias", true, /lora_bias is true/],
    ["layer_replication", [[0, 2]], /layer_replication is \[\[0,2\]\]/],
    ["trainable_token_indices", [5], /trainable_token_indices is \[5\]/],
    ["target_parameters", ["experts.w"], /target_parameters is/],
    ["modules_to_save", ["lm_head"], /modules_to_save is \["lm_head"\]/],
    ["target_modules", ["q_proj", "lm_head"], /target_modules/],
    ["target_modules", "*_proj", /regular expression "\*_proj": /],
    ["r", 0, /r: a rank is at least 1/],
    ["peft_type", "IA3", /peft_type/],
    ["init_lora_weights", "pissa", /init_lora_weights: it changes the base model's weights/],
    ["layers_to_transform", ["0"], /layers_to_transform/],
    ["a_feature_of_tomorrow", { on: 1 }, /a_feature_of_tomorrow/],
  ])("names %s = %j", (key, value, message) => {
    expect(() => parsePeftConfig({ ...plain, [key]: value }, "c.json")).toThrow(message);
    expect(() => parsePeftConfig({ ...plain, [key]: value }, "c.json")).toThrow(/^c\.json: /);
  });

  it("refuses layers where target_modules is a regular expression, as PEFT does", () => {
    const value = { ...plain, target_modules: ".*_proj", layers_to_transform: [0] };
    expect(() => parsePeftConfig(value, "c.json")).toThrow(
      /layers_to_transform is \[0\], which needs a list of target_modules/,
    );
  });

  it("passes over what initialised an adapter", () => {
    const value = { ...plain, init_lora_weights: "eva", eva_config: { rho: 2 }, layers_to_transform: [] };
    expect(parsePeftConfig(value, "c.json")).toEqual(parsePeftConfig(plain, "c.json"));
  });
});

describe("writePeftAdapter", () => {
  it("writes what it reads, with extra files", async () => {
    const folder = join(temporaryFolder(), "adapter");
    const golden = await readPeftAdapter(GOLDEN);
    const extras = { "ibert.json": '{"dsl":"ibis"}', "README.md": "# Card\n" };
    await writePeftAdapter(folder, golden, extras);
    const { config, tensors, ibert } = await readPeftAdapter(folder);
    expect({ config, tensors }).toEqual({ config: golden.config, tensors: golden.tensors });
    expect(ibert).toEqual({ dsl: "ibis" });
    expect(readFileSync(join(folder, "README.md"), "utf8")).toBe("# Card\n");
    expect(openSafetensors(join(folder, "adapter_model.safetensors")).metadata).toEqual({ format: "pt" });
  });

  it("keeps the old adapter through every failure of the disk", async () => {
    const parent = temporaryFolder();
    const folder = join(parent, "adapter");
    const golden = await readPeftAdapter(GOLDEN);
    await writePeftAdapter(folder, golden, { "ibert.json": "1" });
    const bytes = readFileSync(join(folder, "adapter_model.safetensors")).length;
    const disks = [0, 100, bytes - 1, bytes, bytes + 200].map(fullDisk);
    // Renames: the two files that every adapter has and ibert.json, then the old folder aside, then the new one in.
    const denied = [0, 1, 2, 3, 4].map((call) => failing("rename", call, "EACCES"));
    for (const fileSystem of [...disks, ...denied]) {
      const writing = writePeftAdapter(folder, golden, { "ibert.json": "2".repeat(1000) }, { fileSystem });
      await expect(writing).rejects.toMatchObject({ name: "IBertError" });
      expect(readdirSync(parent)).toEqual(["adapter"]);
      expect((await readPeftAdapter(folder)).ibert).toBe(1);
    }
    expect(existsSync(join(folder, "ibert.json"))).toBe(true);
  });
});
