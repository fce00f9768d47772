import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { readTrainingConfig } from "../training/config-file.js";
import { TRAINING_CONFIGS } from "../training/config-names.js";
import { errorOf, ibert, ibertTrain } from "./testing/run-program.js";

describe("ibert init", () => {
  it("writes a configuration with its comments, the schema's place, and lines for git", async () => {
    const folder = temporaryFolder();
    const file = join(folder, "sub", "ibert.yaml");
    const { code, stdout } = await ibert(["init", file]);
    expect(code).toBe(0);
    expect(stdout).toContain("npx ibert data build --config quickstart");
    expect(stdout).toContain(`npx ibert-train --config ${file}`);
    const text = readFileSync(file, "utf8");
    expect(text).toContain("# Held-out rows whose program shapes are not in the training rows");
    const [, schema = ""] = /\$schema=(\S+)/.exec(text) ?? [];
    expect(existsSync(resolve(dirname(file), schema))).toBe(true);
    expect(readTrainingConfig(file)).toEqual(readTrainingConfig(TRAINING_CONFIGS.named("quickstart")));
    expect(readFileSync(join(folder, "sub", ".gitignore"), "utf8")).toBe("adapters/\ndata/corpus/\n");
  });

  it("adds to a .gitignore only what it lacks, on lines of their own", async () => {
    const folder = temporaryFolder();
    const ignore = join(folder, ".gitignore");
    writeFileSync(ignore, "node_modules/\n/adapters");
    const { stdout } = await ibert(["init", join(folder, "a.yaml"), "--from", "devstral", "--json"]);
    expect(JSON.parse(stdout)).toEqual({ config: join(folder, "a.yaml"), ignored: ["data/corpus/"] });
    expect(readFileSync(ignore, "utf8")).toBe("node_modules/\n/adapters\ndata/corpus/\n");
    expect(readTrainingConfig(join(folder, "a.yaml")).base).toBe("devstral-small-2505");
    const again = await ibert(["init", join(folder, "b.yaml"), "--from", "devstral"]);
    expect(again.stdout).toContain("npx ibert data build --config full");
    expect(readFileSync(ignore, "utf8")).toBe("node_modules/\n/adapters\ndata/corpus/\n");
  });

  it("leaves a file that is there as it is", async () => {
    const file = join(temporaryFolder(), "ibert.yaml");
    writeFileSync(file, "steps: 1\n");
    const ended = await ibert(["init", file, "--json"]);
    expect(ended.code).toBe(2);
    expect(errorOf(ended)).toMatchObject({
      code: "argument-invalid",
      message: `${file} is there already and was left as it is`,
    });
    expect(readFileSync(file, "utf8")).toBe("steps: 1\n");
  });
});

describe("configurations by name", () => {
  it("are those that come with ibert, and files come first", () => {
    expect(TRAINING_CONFIGS.names()).toEqual(["devstral", "quickstart", "rft"]);
    expect(TRAINING_CONFIGS.pathOf("quickstart")).toBe(TRAINING_CONFIGS.named("quickstart"));
    expect(TRAINING_CONFIGS.pathOf("README.md")).toBe("README.md");
    expect(TRAINING_CONFIGS.pathOf("folder/quickstart")).toBe("folder/quickstart");
  });

  it("are what ibert-train takes, and it names them for an unknown one", async () => {
    const missing = await ibertTrain(["--config", "quickstrat", "--json"]);
    expect(errorOf(missing)).toMatchObject({
      code: "config-missing",
      message: "quickstrat: there is no such file",
      hint: expect.stringContaining("devstral, quickstart, rft"),
    });
    const corpus = join(temporaryFolder(), "no-corpus");
    const found = await ibertTrain(["--config", "quickstart", "--set", `corpus=${corpus}`, "--json"]);
    expect(errorOf(found)).toMatchObject({
      code: "corpus-missing",
      message: expect.stringContaining(corpus),
    });
  });
});
