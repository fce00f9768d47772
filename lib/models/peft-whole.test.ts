/** Adapters of a whole model of text and images: names of modules that carry `language_model.`, read and written. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { ibert } from "../cli/testing/run-program.js";
import { readAdapter } from "./adapter-file.js";
import type { ModelConfig } from "./config.js";
import { loadPreset } from "./presets.js";
import { LoraLayout } from "./lora.js";
import { readPeftAdapter, writePeftAdapter, type PeftAdapter } from "../formats/peft.js";
import { withModulePrefix } from "../formats/peft-prefix.js";
import type { LoraConfig } from "../formats/peft-modules.js";
import { openSafetensors } from "../formats/safetensors.js";
import { temporaryFolder } from "../formats/testing/temporary.js";

const MODEL: ModelConfig = {
  ...loadPreset("devstral-small-2-2512").config,
  ...{ vocabSize: 16, hiddenSize: 8, intermediateSize: 12, layers: 2, heads: 2, kvHeads: 1, headDim: 4 },
};

function adapter(lora: LoraConfig): PeftAdapter {
  const layout = new LoraLayout(MODEL, lora);
  const values = Float32Array.from({ length: layout.size }, (_, i) => i / 64);
  const tensors = new Map(
    [...layout.unpack(values)].map(([name, tensor]) => [name, { dtype: "F32" as const, ...tensor }]),
  );
  return { config: { ...layout.config, rsLora: false, dropout: 0, baseModel: "owner/whole" }, tensors };
}
const PLAIN = adapter({
  rank: 2,
  alpha: 4,
  targets: ["q_proj", "v_proj"],
  rankPattern: { "layers.1.self_attn.v_proj": 3 },
});

async function written(value: PeftAdapter): Promise<string> {
  const folder = join(temporaryFolder(), "adapter");
  await writePeftAdapter(folder, value);
  return folder;
}
const namesIn = (folder: string): string[] => [
  ...openSafetensors(join(folder, "adapter_model.safetensors")).tensors.keys(),
];
const targetsOf = (folder: string): unknown =>
  (JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8")) as { target_modules: unknown })
    .target_modules;

describe.each(["model.language_model.", "language_model.model."] as const)("modules under %s", (prefix) => {
  it("are written so, and read as those of the text part", async () => {
    const folder = await written(withModulePrefix(PLAIN, prefix));
    const module = `base_model.model.${prefix}layers.1.self_attn.v_proj`;
    expect(namesIn(folder)).toContain(`${module}.lora_A.weight`);
    expect(namesIn(folder).every((name) => name.startsWith(`base_model.model.${prefix}layers.`))).toBe(true);
    expect(targetsOf(folder)).toEqual(["q_proj", "v_proj"]);
    const read = await readPeftAdapter(folder);
    expect(read.config.modulePrefix).toBe(prefix);
    expect(read.tensors).toEqual(PLAIN.tensors);
    // By the model: every tensor in its place, and again the same file.
    const [own, plain] = [await readAdapter(MODEL, folder), await readAdapter(MODEL, await written(PLAIN))];
    expect(own.values).toEqual(plain.values);
    const again = await written(read);
    expect(namesIn(again)).toEqual(namesIn(folder));
    const back = await written(withModulePrefix(read, "model."));
    expect(await readPeftAdapter(back)).toEqual({
      ...(await readPeftAdapter(await written(PLAIN))),
      path: back,
    });
  });

  it("are found by a regular expression and by whole names, in either direction", async () => {
    const pattern = `${prefix.replaceAll(".", "\\.")}layers\\.1\\..*\\.(q|up)_proj`;
    const folder = await written(adapter({ rank: 2, alpha: 4, targets: pattern, modulePrefix: prefix }));
    const modules = ["mlp.up_proj", "self_attn.q_proj"];
    expect(namesIn(folder).length).toBe(4);
    const { layout } = await readAdapter(MODEL, folder);
    expect([...new Set(layout.matrices.map(({ module }) => module))].sort()).toEqual(
      modules.map((name) => `model.layers.1.${name}`),
    );
    const output = join(temporaryFolder(), "text");
    expect(await ibert(["adapter", "export", folder, "--output", output, "--modules", "text"])).toMatchObject(
      { code: 0 },
    );
    expect(targetsOf(output)).toEqual(modules.map((name) => `model.layers.1.${name}`));
    expect((await readAdapter(MODEL, output)).values).toEqual((await readAdapter(MODEL, folder)).values);
    const whole = join(temporaryFolder(), "whole");
    expect(await ibert(["adapter", "export", output, "--output", whole, "--modules", "whole"])).toMatchObject(
      { code: 0 },
    );
    expect(targetsOf(whole)).toEqual(modules.map((name) => `model.language_model.layers.1.${name}`));
    expect((await readAdapter(MODEL, whole)).values).toEqual((await readAdapter(MODEL, folder)).values);
  });
});

describe("names of two models", () => {
  it("in one file are refused", async () => {
    const folder = await written(PLAIN);
    const path = join(folder, "adapter_model.safetensors");
    const bytes = readFileSync(path);
    const text = bytes
      .toString("latin1")
      .replace(
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A",
        "base_model.model.language_model.model.layers.0.self_attn.q_proj.lora_A",
      );
    const header = Number(bytes.readBigUInt64LE(0)) + text.length - bytes.length;
    const changed = Buffer.from(text, "latin1");
    changed.writeBigUInt64LE(BigInt(header), 0);
    writeFileSync(path, changed);
    await expect(readPeftAdapter(folder)).rejects.toThrow(/tensors .* and .* name the modules of two models/);
  });

  it("in a pattern's key cannot be renamed", () => {
    const named = {
      ...PLAIN,
      config: { ...PLAIN.config, rankPattern: { "model.layers.1.self_attn.v_proj": 3 } },
    };
    expect(() => withModulePrefix(named, "model.language_model.")).toThrow(
      /pattern "model\.layers\.1\.self_attn\.v_proj" names modules/,
    );
  });
});
