import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import type { RowScore } from "./metrics.js";
import { readScores, ScoreFile, type LoggedScore } from "./score-log.js";

const score = (id: string): RowScore => ({
  id,
  task: "sql_to_ibis",
  prediction: `answer ${id}`,
  holdsCode: true,
  passed: { parse: true, names: true, build: true, compile: false },
  exact: false,
  sqlEqual: false,
  chrF: 0.5,
  rougeL: 0.5,
});

describe("the scores of an evaluation", () => {
  it("are there in the next sitting, but for a line that a crash cut off", async () => {
    const path = join(temporaryFolder(), "out", "scores.jsonl");
    const settings = { base: "b", samples: 1, subjects: [{ shots: 3 }] };
    const first = await ScoreFile.open(path, settings);
    first.of("0").add(3, score("a"));
    first.of("1").add(3, score("b"));
    first.close();
    const whole = readFileSync(path, "utf8");
    appendFileSync(path, '{"subject":"0","answer":4,"sco');

    const second = await ScoreFile.open(path, settings);
    expect(readFileSync(path, "utf8")).toBe(whole);
    expect(second.found).toBe(2);
    expect(second.of("0").known(3)).toEqual({ ...score("a"), prediction: "" });
    expect(second.of("0").known(4)).toBeUndefined();
    second.of("0").add(4, score("c"));
    const all: LoggedScore[] = [];
    for await (const one of readScores(path)) all.push(one);
    expect(all.map(({ score: { prediction } }) => prediction)).toEqual(["answer a", "answer b", "answer c"]);
    second.close();

    await expect(ScoreFile.open(path, { ...settings, samples: 2 })).rejects.toMatchObject({
      code: "resume-mismatch",
      message: expect.stringContaining("samples (1, now 2)") as string,
    });
    appendFileSync(path, "no JSON\n");
    await expect(ScoreFile.open(path, settings)).rejects.toMatchObject({ code: "row-json" });
  });
});
