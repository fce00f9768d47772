import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { writeTinyCorpus } from "../cli/testing/tiny-corpus.js";
import type { Row } from "../data/tasks.js";
import { toyEngine, toyFormat } from "../data/testing/fakes.js";
import type { RowScore } from "../evaluation/metrics.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { parseTrainingConfig } from "./config.js";
import { rejectionSample, writeCorpus } from "./rejection.js";

const linesOf = (folder: string, split: string): string[] =>
  readFileSync(join(folder, `${split}.jsonl`), "utf8")
    .trimEnd()
    .split("\n");

/** Answers in the order in which they ended, as the round's file has them. */
function writeScores(
  path: string,
  answers: readonly [answer: number, id: string, text: string, equal: boolean][],
): void {
  const lines = answers.map(([answer, id, prediction, equal]) => {
    const task = id.includes("ibis_to_sql") ? "ibis_to_sql" : "sql_to_ibis";
    const score = { id, task, prediction, execution: { equal } } as unknown as RowScore;
    return JSON.stringify({ subject: "0", answer, score });
  });
  writeFileSync(path, [JSON.stringify({ settings: {} }), ...lines].map((line) => `${line}\n`).join(""));
}

describe("a round of rejection sampling", () => {
  it("adds right answers of plans that are not there yet to the known rows, a few to each prompt", async () => {
    const folder = temporaryFolder();
    const config = { corpus: writeTinyCorpus(join(folder, "corpus")) };
    const scores = join(folder, "scores.jsonl");
    const [known, other] = ["train-sql_to_ibis-1", "train-ibis_to_sql-2"];
    writeScores(scores, [
      [3, known, "way three", true],
      [0, known, "orders.limit(1)", true],
      [1, known, "way one", true],
      [2, known, "wrong", false],
      [4, known, "way one", true],
      [5, known, "bad:compile", true],
      [6, known, "way four", true],
      [8, other, "select one", true],
      [9, other, "SELECT ONE", true],
    ]);
    const corpus = join(folder, "made");
    const report = await writeCorpus({
      config,
      scores,
      corpus,
      engine: toyEngine(),
      format: toyFormat,
      most: 2,
    });
    expect(report.sql_to_ibis).toEqual({ sampled: 7, passed: 6, kept: 2 });
    expect(report.ibis_to_sql).toEqual({ sampled: 2, passed: 2, kept: 1 });
    expect(report.qa).toEqual({ sampled: 0, passed: 0, kept: 0 });
    expect(linesOf(corpus, "test")).toEqual(linesOf(config.corpus, "test"));
    const before = linesOf(config.corpus, "train");
    const after = linesOf(corpus, "train");
    expect(after.slice(0, before.length)).toEqual(before);
    const added = after.slice(before.length).map((line) => JSON.parse(line) as Row);
    expect(added.map(({ id, completion, source }) => [id, completion, source])).toEqual([
      [`${other}-rft-1`, "select one", "rejection sampling"],
      [`${known}-rft-1`, "way one", "rejection sampling"],
      [`${known}-rft-2`, "way three", "rejection sampling"],
    ]);
    const gold = JSON.parse(before.find((line) => line.includes(`"${known}"`)) ?? "") as Row;
    expect(added[1]).toEqual({
      ...gold,
      id: `${known}-rft-1`,
      completion: "way one",
      source: "rejection sampling",
    });
  });

  it("is refused without its section, whose keys are strict", async () => {
    const plain = { base: "b", output: "o", corpus: "c", steps: 1 };
    await expect(rejectionSample(parseTrainingConfig(plain, "x"))).rejects.toMatchObject({
      code: "config-invalid",
    });
    const parse = (rft: object) => parseTrainingConfig({ ...plain, rft }, "x");
    expect(parse({ adapter: "a" }).rft).toMatchObject({ samples: 4, temperature: 0.8, keepPerPrompt: 2 });
    expect(() => parse({ adapter: "a", sample: 4 })).toThrow("sample");
    expect(() => parse({ adapter: "a", samples: 1 })).toThrow("rft.samples");
    expect(() => parse({})).toThrow("rft.adapter");
  });
});
