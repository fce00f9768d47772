import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRows } from "./reader.js";

const good = {
  id: "train-qa-00001",
  task: "qa",
  split: "train",
  fields: { input: "How?" },
  completion: "So.",
  schema: {},
  schemaId: "none",
  shape: "api:x",
  source: "test",
  licence: "Apache-2.0",
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ibert-reader-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(...lines: (object | string)[]): Promise<unknown> {
  const path = join(folder, "train.jsonl");
  await writeFile(
    path,
    lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"),
  );
  return readRows(path);
}

describe("readRows", () => {
  it("reads rows and passes over blank lines", async () => {
    await expect(read(good, "", { ...good, id: "b" })).resolves.toHaveLength(2);
  });

  it.each([
    ["an empty file", [""], "corpus_empty", /train\.jsonl: the corpus is empty/],
    ["broken JSON", [good, "{"], "row_json", /train\.jsonl:2: not JSON/],
    ["an unknown task", [{ ...good, task: "poem" }], "unknown_task", /train\.jsonl:1: unknown task "poem"/],
    [
      "no completion",
      [good, good, { ...good, completion: " " }],
      "row_unsupervised",
      /train\.jsonl:3: row train-qa-00001/,
    ],
    ["a missing field", [{ ...good, shape: undefined }], "row_shape", /train\.jsonl:1: shape/],
    ["a line that is no object", ["null"], "unknown_task", /train\.jsonl:1/],
  ])("names file and line of %s", async (_, lines, code, message) => {
    const error: unknown = await read(...lines).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "IBertError", code });
    expect((error as Error).message).toMatch(message);
  });

  it("names a file that is not there", async () => {
    await expect(readRows(join(folder, "none.jsonl"))).rejects.toMatchObject({ code: "corpus_missing" });
  });
});
