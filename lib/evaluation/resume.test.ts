import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, it, vi } from "vitest";

import { writeTinyCorpus } from "../cli/testing/tiny-corpus.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { writeSmallAdapter, writeSmallModel } from "../models/testing/small-model.js";
import { evaluateSubjects } from "./evaluate-model.js";

vi.mock("../data/corpus.js", async (original) => ({
  ...(await original<object>()),
  readManifest: () => ({ dsl: { name: "ibis-framework", version: "12.0.0" } }),
}));

it(
  "goes on with the same base and the same adapter alone, whose scale and prompts count too",
  { timeout: 300_000 },
  async () => {
    const folder = temporaryFolder();
    const [base, adapter] = [join(folder, "base"), join(folder, "adapter")];
    await writeSmallAdapter(adapter, await writeSmallModel(base));
    const corpus = writeTinyCorpus(join(folder, "corpus"));
    const options = {
      base,
      corpus,
      backend: "cpu",
      limit: 1,
      maxTokens: 4,
      scores: join(folder, "scores.jsonl"),
    };
    const run = () => evaluateSubjects(options, [{ adapter }]);
    const first = await run();
    expect((await run()).results).toEqual(first.results);
    const path = join(adapter, "adapter_config.json");
    const config = JSON.parse(readFileSync(path, "utf8")) as { lora_alpha: number };
    writeFileSync(path, JSON.stringify({ ...config, lora_alpha: config.lora_alpha * 2 }));
    await expect(run()).rejects.toMatchObject({ code: "resume-mismatch" });
    writeFileSync(path, JSON.stringify(config));
    const weights = join(base, "model.safetensors");
    const bytes = readFileSync(weights);
    bytes[bytes.length - 2] = (bytes.at(-2) ?? 0) ^ 1;
    writeFileSync(weights, bytes);
    await expect(run()).rejects.toMatchObject({
      code: "resume-mismatch",
      message: expect.stringContaining("another weights") as unknown,
    });
  },
);
