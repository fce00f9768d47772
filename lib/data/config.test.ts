import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { DATA_CONFIGS, readDataConfig } from "./config.js";
import { splitCounts } from "./corpus.js";

function refusal(text: string): unknown {
  const path = join(temporaryFolder(), "corpus.yaml");
  writeFileSync(path, text);
  try {
    return readDataConfig(path);
  } catch (error) {
    return error;
  }
}

describe("a configuration of a corpus", () => {
  it("comes with ibert by its name", () => {
    expect(DATA_CONFIGS.names()).toEqual(["full", "quickstart"]);
    const { rows, evaluation, taskWeights, profile, seed } = readDataConfig("quickstart");
    expect({ rows, profile, seed }).toEqual({ rows: 2000, profile: "quickstart", seed: 1 });
    const { train, test } = splitCounts({ train: rows, evaluation }, taskWeights);
    expect(train).toMatchObject({ sql_to_ibis: 480, function_documentation: 160 });
    expect(test.qa).toBe(40);
    expect(readDataConfig("full").taskWeights).toEqual(taskWeights);
  });

  it.each([
    ["an unknown key", "profile: full\nrows: 5\nrow: 6\n", /corpus\.yaml: \(top\): .*"row" \(line 3\)/],
    [
      "an unknown task",
      "profile: full\nrows: 5\ntaskWeights:\n  poetry: 1\n",
      /taskWeights: .*poetry.*\(line 4\)/,
    ],
    [
      "no task at all",
      "profile: full\nrows: 5\ntaskWeights: { qa: 0 }\n",
      /no task has a weight above 0 \(line 3\)/,
    ],
    ["no rows", "profile: full\nrows: 0\n", /rows: .*\(line 2\)/],
    ["an empty key", "profile:\nrows: 1\n", /profile: it is empty/],
    ["another language", "dsl: sql\nprofile: full\nrows: 1\n", /dsl: .*\(line 1\)/],
    ["no YAML", "profile: [\n", /corpus\.yaml:2: column 1: /],
  ])("with %s is refused by file, key and line", (_, text, message) => {
    expect(refusal(text)).toMatchObject({
      code: "config-invalid",
      message: expect.stringMatching(message) as string,
    });
  });

  it("that is not there is said to be missing, with those that are", () => {
    expect(() => readDataConfig("huge")).toThrow(/huge: there is no such file[^]*full, quickstart/);
  });
});
