import { gguf as readWithHuggingFace } from "@huggingface/gguf";
import { beforeAll, describe, expect, it } from "vitest";

import { openGguf } from "../formats/gguf.js";
import { loadPreset } from "./presets.js";
import { resolveSource, type ModelSource } from "./sources.js";
import { openWeights } from "./weights.js";

// The real weights; fetched into the cache where they are not there yet.
let source: ModelSource;
beforeAll(async () => {
  source = await resolveSource("smollm2-135m");
}, 600_000);

describe("SmolLM2-135M-Instruct", () => {
  it("has the preset's configuration and every weight", () => {
    const weights = openWeights(source);
    expect(weights.config).toEqual(loadPreset("smollm2-135m").config);
    expect(weights.names).toHaveLength(272);
    expect(weights.tensor("lm_head.weight")).toBe(weights.tensor("model.embed_tokens.weight"));
    expect(weights.tensor("model.embed_tokens.weight")).toMatchObject({ dtype: "Q8_0", shape: [49152, 576] });
    expect(weights.tensor("model.layers.29.self_attn.k_proj.weight")).toMatchObject({
      dtype: "Q4_1",
      shape: [192, 576],
      byteLength: (192 * 576 * 20) / 32,
    });
    expect(weights.tensor("model.layers.0.self_attn.q_proj.weight").rowPermutation).toHaveLength(576);
    expect(weights.tensor("model.layers.0.self_attn.v_proj.weight").rowPermutation).toBeUndefined();
  });

  it("is read by the hub's own GGUF reader to the same metadata and tensor table", async () => {
    const ours = openGguf(source.path);
    const theirs = await readWithHuggingFace(source.path, { allowLocalFile: true });
    const { version, ...metadata } = theirs.metadata;
    expect(ours.version).toBe(version);
    const counts = { tensor_count: BigInt(ours.tensors.size), kv_count: BigInt(ours.metadata.size) };
    expect({ ...Object.fromEntries(ours.metadata), ...counts }).toEqual(metadata);
    expect(
      [...ours.tensors.values()].map(({ name, shape, byteOffset }) => ({ name, shape, byteOffset })),
    ).toEqual(
      theirs.tensorInfos
        .map(({ name, shape, offset }) => ({
          name,
          shape: shape.map(Number).reverse(),
          byteOffset: Number(theirs.tensorDataOffset + offset),
        }))
        .sort((a, b) => a.byteOffset - b.byteOffset),
    );
  });
});
