import { realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { lackOf } from "./cache.js";
import { hubSettings } from "./settings.js";

describe("lackOf", () => {
  it("names the first file that a snapshot lacks", () => {
    const folder = temporaryFolder();
    const put = (name: string, text = ""): void => writeFileSync(join(folder, name), text);
    expect(lackOf(join(folder, "nowhere"))).toBe("config.json");
    put("config.json");
    expect(lackOf(folder)).toBe("tokenizer.json");
    put("tekken.json");
    expect(lackOf(folder)).toBe("model.safetensors");
    put("model-00002-of-00003.safetensors");
    expect(lackOf(folder)).toBe("model-00001-of-00003.safetensors");
    const shards = [1, 2].map((number) => `model-0000${number}-of-00002.safetensors`);
    put("model.safetensors.index.json", JSON.stringify({ weight_map: { a: shards[0], b: shards[1] } }));
    expect(lackOf(folder)).toBe(shards[0]);
    for (const name of shards) put(name);
    expect(lackOf(folder)).toBeUndefined();
  });
});

describe("hubSettings", () => {
  it("reads the environment as huggingface_hub does", () => {
    const home = temporaryFolder();
    writeFileSync(join(home, "token"), "hf_file\n");
    const at = (environment: Record<string, string>) => hubSettings({ HF_HOME: home, ...environment });
    expect(at({})).toEqual({
      endpoint: "https://huggingface.co",
      cache: join(realpathSync(home), "hub"),
      token: "hf_file",
      offline: false,
    });
    expect(at({ HUGGINGFACE_HUB_CACHE: "/a" }).cache).toBe("/a");
    expect(at({ HUGGINGFACE_HUB_CACHE: "/a", HF_HUB_CACHE: "/b" }).cache).toBe("/b");
    expect(at({ HF_TOKEN: "hf_env" }).token).toBe("hf_env");
    expect(at({ HF_TOKEN: "" }).token).toBe("hf_file");
    writeFileSync(join(home, "other"), "hf_other");
    expect(at({ HF_TOKEN_PATH: join(home, "other") }).token).toBe("hf_other");
    expect(at({ HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }).token).toBeUndefined();
    expect(at({ HF_HUB_OFFLINE: "true" }).offline).toBe(true);
    expect(at({ HF_HUB_OFFLINE: "0" }).offline).toBe(false);
    expect(at({ HF_ENDPOINT: "http://mirror/hf/" }).endpoint).toBe("http://mirror/hf");
    expect(() => at({ HF_ENDPOINT: "mirror" })).toThrow(/HF_ENDPOINT is "mirror"/);
    expect(hubSettings({ XDG_CACHE_HOME: "/x" }).cache).toBe("/x/huggingface/hub");
  });
});
