/** What the quick start does in which order; the commands themselves have their own tests, and the release's runs it whole. */
import type { Command } from "commander";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import * as data from "./data-commands.js";
import * as generate from "./generate-command.js";
import { EXIT, type Run } from "./main.js";
import { errorOf, ibert } from "./testing/run-program.js";
import * as train from "./train-command.js";

vi.mock("./data-commands.js", { spy: true });
vi.mock("./generate-command.js", { spy: true });
vi.mock("./train-command.js", { spy: true });

/** The commands that were called, with the exit codes that they leave. */
let called: string[];
let exitCodes: Record<string, number>;

/** In place of a command, whatever its options: writes down how it was called. */
function standIn(...path: string[]): (program: Command, run: Run) => void {
  return (program, run) => {
    const command = path.reduce((parent, name) => parent.command(name), program);
    command
      .allowUnknownOption()
      .argument("[words...]")
      .action((words: string[]) => {
        called.push([...path, ...words].join(" "));
        run.exitCode = exitCodes[path[0] ?? "train"] ?? EXIT.ok;
      });
  };
}

beforeEach(() => {
  [called, exitCodes] = [[], {}];
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.resetAllMocks(); // to what they spy on
});

function standInForAll(): void {
  // The program's own copies stand before the quick start's, which come second.
  vi.mocked(data.addDataCommands).mockImplementationOnce(() => undefined);
  vi.mocked(generate.addGenerateCommands).mockImplementationOnce(() => undefined);
  vi.mocked(data.addDataCommands).mockImplementation(standIn("data", "build"));
  vi.mocked(train.setUpTraining).mockImplementation(standIn());
  vi.mocked(generate.addGenerateCommands).mockImplementation(standIn("complete"));
}

describe("ibert quickstart", () => {
  it("builds a corpus, trains on it, asks the adapter, and says where the report lies", async () => {
    standInForAll();
    exitCodes = { complete: EXIT.refused }; // a verdict on one answer
    const { code, stdout } = await ibert(["quickstart", "--set", "output=a/b", "--set", "corpus=c"]);
    expect(called).toEqual([
      "data build --config quickstart --output c",
      "--config quickstart --set output=a/b --set corpus=c --reuse",
      "complete --whole --adapter a/b --table orders(region string, amount float64) orders.group_by('region').",
    ]);
    expect(code).toBe(0);
    const stages = [...stdout.matchAll(/^== ([\w ]+)(: \d+ s)?$/gm)].map(([, name]) => name);
    expect(stages).toEqual(["model", "corpus", "training", "an answer"].flatMap((name) => [name, name]));
    expect(stdout).toMatch(/\nDone in \d+ s\. Open a\/b\/report\/report\.html/);
  });

  it("trains anew when told to, and keeps standard output for JSON", async () => {
    standInForAll();
    const { code, stdout } = await ibert(["quickstart", "--force", "--json"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(called[1]).toBe("--config quickstart --json");
  });

  it("ends with a command that does not go well, such as a training that was interrupted", async () => {
    standInForAll();
    exitCodes = { train: EXIT.interrupted };
    const { code, stdout } = await ibert(["quickstart"]);
    expect(code).toBe(EXIT.interrupted);
    expect(called).toHaveLength(2);
    expect(stdout).not.toContain("an answer");
  });

  it("begins with what cannot be had", async () => {
    vi.stubEnv("IBERT_CACHE", temporaryFolder());
    const ended = await ibert(["quickstart", "--json"]);
    expect(ended.code).toBe(EXIT.error);
    expect(errorOf(ended)).toMatchObject({ code: "wheel-missing" });
    const unknown = await ibert(["quickstart", "--set", "stepz=1", "--json"]);
    expect(errorOf(unknown)).toMatchObject({ code: "config-invalid" });
  });
});
