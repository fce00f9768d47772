import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { resolveSource } from "../models/sources.js";
import { writeSmallAdapter } from "../models/testing/small-model.js";
import { openWeights } from "../models/weights.js";
import { openGguf } from "../formats/gguf.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { errorOf, ibert } from "./testing/run-program.js";

const model = fileURLToPath(new URL("../models/goldens/tiny-llama", import.meta.url));
const adapter = join(model, "adapter-qkvo");

describe("ibert adapter", () => {
  it("inspects", async () => {
    const { code, stdout } = await ibert(["adapter", "inspect", adapter]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^rank, alpha +4, 8$/m);
    expect(stdout).toMatch(/^targets +k_proj, o_proj, q_proj, v_proj$/m);
  });

  it("exports a plain PEFT folder", async () => {
    const output = join(temporaryFolder(), "copy");
    const { code, stdout } = await ibert(["adapter", "export", adapter, "--output", output, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ output });
    expect(readdirSync(output).sort()).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
    const again = JSON.parse((await ibert(["adapter", "inspect", output, "--json"])).stdout) as object;
    const first = JSON.parse((await ibert(["adapter", "inspect", adapter, "--json"])).stdout) as object;
    expect(again).toEqual({ ...first, folder: output });
  });

  it("exports a GGUF for llama.cpp, given the base", async () => {
    const output = join(temporaryFolder(), "lora.gguf");
    const command = ["adapter", "export", adapter, "--output", output, "--format", "gguf", "--json"];
    expect(errorOf(await ibert(command))).toMatchObject({ code: "base-missing" });
    const { code, stdout } = await ibert([...command, "--base", model]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ output, tensors: 16 });
    expect(openGguf(output).tensors.get("blk.1.attn_output.weight.lora_b")?.shape).toEqual([64, 4]);
  });

  it("merges, and needs to know the base", async () => {
    const output = join(temporaryFolder(), "merged");
    const ended = await ibert(["adapter", "merge", adapter, "--output", output, "--json"]);
    expect(errorOf(ended)).toMatchObject({ code: "base-missing", hint: "Name it with --base." });
    const { code, stdout } = await ibert(["adapter", "merge", adapter, "--output", output, "--base", model]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining("of them merged") });
    const config = JSON.parse(readFileSync(join(output, "config.json"), "utf8")) as Record<string, unknown>;
    expect(config["torch_dtype"]).toBe("bfloat16");
    expect(stdout).toMatch(
      /^divergence by rounding: 0\.\d+ % of the update \(0\.\d+ % of the weights\), at most .* in model\.layers/m,
    );
  });

  it("merges into the types of a GGUF, and says when there are none", async () => {
    const output = join(temporaryFolder(), "merged.gguf");
    const keep = ["adapter", "merge", adapter, "--output", output, "--dtype", "keep"];
    expect(errorOf(await ibert([...keep, "--base", model, "--json"]))).toMatchObject({
      code: "argument-invalid",
      message: expect.stringContaining("a base that is no GGUF has no types to keep"),
    });
    const base = await resolveSource("smollm2-135m");
    const fresh = join(temporaryFolder(), "fresh");
    await writeSmallAdapter(fresh, openWeights(base).config);
    const { code, stdout } = await ibert([
      ...["adapter", "merge", fresh, "--output", output, "--dtype", "keep"],
      ...["--base", "smollm2-135m", "--json"],
    ]);
    expect(code).toBe(0);
    // B is zero in a fresh adapter, and changes nothing.
    expect(JSON.parse(stdout)).toMatchObject({
      output,
      merged: 0,
      files: [output],
      divergence: { ofUpdate: null, worst: null },
    });
    expect(readFileSync(output).equals(readFileSync(base.path))).toBe(true);
  });
});

describe("ibert model inspect", () => {
  it("counts parameters, bytes and types", async () => {
    const { code, stdout } = await ibert(["model", "inspect", "smollm2-135m", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      baseModel: "HuggingFaceTB/SmolLM2-135M-Instruct",
      parameters: 134_515_008,
      config: { layers: 30, hiddenSize: 576 },
      tokenizer: { vocabSize: 49152, eosId: 2 },
    });
  });

  it("lists the forms for a base that is none", async () => {
    const ended = await ibert(["model", "inspect", "no-such-model", "--json"]);
    expect(ended.code).toBe(2);
    expect(errorOf(ended)).toMatchObject({
      code: "base-unknown",
      hint: expect.stringContaining("smollm2-135m"),
    });
  });
});
