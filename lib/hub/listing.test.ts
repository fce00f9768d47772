/** Which files of a repository are pulled. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { FILES, setting } from "./testing/setting.js";

describe("which files", () => {
  const names = async (files: string[]): Promise<string[]> => {
    const contents = Object.fromEntries(files.map((name) => [name, Buffer.from(name)]));
    return readdirSync((await (await setting(contents)).pull()).folder).sort();
  };

  it("one layout of the weights, of Hugging Face's where both are there", async () => {
    const beside = ["config.json", "params.json", "tekken.json"];
    const consolidated = "consolidated.safetensors";
    const whole = "model.safetensors";
    expect(
      await names([
        ...beside,
        consolidated,
        whole,
        "model-00001-of-00001.safetensors",
        "model.safetensors.index.json",
      ]),
    ).toEqual([...beside.slice(0, 1), whole, ...beside.slice(1)]);
    expect(
      await names([...beside, consolidated, "consolidated.safetensors.index.json", "model.gguf"]),
    ).toEqual(["config.json", consolidated, "params.json", "tekken.json"]);
    // A configuration of Hugging Face's alone makes no layout of theirs.
    expect(await names(["config.json", "params.json", "tokenizer.json", consolidated])).toContain(
      consolidated,
    );
    const parts = ["consolidated-00001-of-00002.safetensors", "consolidated-00002-of-00002.safetensors"];
    expect(await names([...parts, "params.json", "tekken.json"])).toEqual([
      ...parts,
      "params.json",
      "tekken.json",
    ]);
  });

  it("two of one content, which is fetched once", async () => {
    const same = { "config.json": Buffer.from("{}"), "params.json": Buffer.from("{}") };
    const { hub, pull } = await setting({ ...FILES, ...same });
    const { folder } = await pull();
    expect(readFileSync(join(folder, "params.json"), "utf8")).toBe("{}");
    expect([...hub.downloads("config.json"), ...hub.downloads("params.json")].length).toBe(1);
  });

  it("says what the repository itself lacks", async () => {
    await expect(names(["config.json", "model.safetensors", "tokenizer.model"])).rejects.toMatchObject({
      code: "tokenizer-missing",
    });
    const { "model-00002-of-00002.safetensors": _, ...cut } = FILES;
    await expect((await setting(cut)).pull()).rejects.toMatchObject({
      code: "weights-missing",
      message: expect.stringContaining(
        "the repository itself has no model-00002-of-00002.safetensors",
      ) as string,
    });
  });

  it("says what is there instead", async () => {
    await expect(names(["config.json", "a-Q4_0.gguf", "b.gguf"])).rejects.toThrow(
      /no safetensors of a model\n.*GGUF files \(a-Q4_0\.gguf, b\.gguf\): fetch one/,
    );
    await expect(names(["config.json", "pytorch_model.bin"])).rejects.toMatchObject({
      code: "weights-missing",
    });
  });
});
