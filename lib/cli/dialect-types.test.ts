/** Column types that a dialect lacks, through the command line: a verdict, as for any other schema. */
import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { CHAIN_SIZE, chainHead, FIRST_END, writeChainModel } from "../models/testing/chain-model.js";
import { ibert } from "./testing/run-program.js";

const QUERY = "SELECT COUNT(*) FROM t";
const QUERY_ID = 258;

/** Writes a model that answers every prompt that ends with a line's end with the one query. */
async function writeAnswering(folder: string): Promise<void> {
  await writeChainModel(folder, {
    tokenizer: (json) => {
      const added = json.added_tokens as object[];
      added.push({ ...added[0], id: QUERY_ID, content: QUERY, special: false });
    },
    tensors: (tensors) =>
      tensors.set("lm_head.weight", {
        dtype: "F32",
        shape: [CHAIN_SIZE, CHAIN_SIZE],
        data: chainHead(["\n", QUERY_ID, FIRST_END]),
      }),
  });
}

describe("ibert to-sql with a column type that the dialect lacks", () => {
  it.each([
    ["mysql", "array<string>"],
    ["sqlite", "struct<x: int64>"],
  ])("%s and %s", async (dialect, type) => {
    const base = temporaryFolder();
    await writeAnswering(base);
    const words = [
      "--base",
      base,
      "--no-adapter",
      "--dialect",
      dialect,
      "--table",
      `t(a int64, tags ${type})`,
    ];
    const ended = await ibert(["to-sql", ...words], "t.count()");
    expect(ended).toMatchObject({
      code: 0,
      stdout: `${QUERY}\n`,
      stderr: expect.stringMatching(/^compile: passed/),
    });
  });
});
