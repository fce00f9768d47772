import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { Command } from "commander";
import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { setUpIbert } from "./ibert-commands.js";
import { Run } from "./main.js";
import { errorOf, ibert, ibertTrain } from "./testing/run-program.js";

/** Every command that does something, as the words that call it. */
function commandsOf(command: Command, words: string[] = []): string[][] {
  const below = command.commands.filter((child) => child.name() !== "help");
  if (below.length === 0) return [words];
  return below.flatMap((child) => commandsOf(child, [...words, child.name()]));
}

function allCommands(): string[][] {
  const program = new Command("ibert");
  setUpIbert(program, new Run(process));
  return commandsOf(program);
}

describe("ibert --help", () => {
  it("has the commands and the six short forms", () => {
    const names = allCommands().map((words) => words.join(" "));
    expect(names).toEqual(
      expect.arrayContaining([
        ...[
          "generate",
          "validate",
          "evaluate",
          "data build",
          "data inspect",
          "data check",
          "data coverage",
          "data kill-rate",
          "data add",
          "model inspect",
          "model plan",
          "init",
          "quickstart",
        ],
        ...["adapter inspect", "adapter merge", "adapter export", "doctor", "bench"],
        ...["complete", "to-sql", "fix", "ask", "document", "from-sql"],
      ]),
    );
  });

  it.each(allCommands().map((words) => [words.join(" "), words] as const))(
    "%s shows an example, --json and the exit codes",
    async (name, words) => {
      const { code, stdout, stderr } = await ibert([...words, "--help"]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toContain(`Usage: ibert ${name}`);
      expect(stdout).toMatch(new RegExp(`Example:\n  \\$ .*npx ibert ${name}`));
      expect(stdout).toContain("--json");
      expect(stdout).toContain("Exit codes:");
    },
  );

  it("shows ibert-train's options and an example", async () => {
    const { code, stdout } = await ibertTrain(["--help"]);
    expect(code).toBe(0);
    for (const text of [
      "--config",
      "--set",
      "--resume",
      "--dry-run",
      "--backend",
      "--json",
      "Example:",
      "130",
    ]) {
      expect(stdout).toContain(text);
    }
  });

  it("prints the version", async () => {
    expect(await ibert(["--version"])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });
});

describe("bad usage", () => {
  it("ends with 2 and says what is wrong", async () => {
    expect(await ibert(["dance"])).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("unknown command 'dance'"),
    });
    expect((await ibert(["generate", "text"])).stderr).toContain("--task");
    expect((await ibert(["ask", "--top-p", "7", "text"])).stderr).toContain("a number from");
    expect((await ibert(["data", "build", "--config", "huge"])).stderr).toContain("quickstart");
  });

  it("is JSON for machines", async () => {
    const ended = await ibert(["doctor", "--fast", "--json"]);
    expect(ended).toMatchObject({ code: 2, stderr: "" });
    expect(errorOf(ended)).toMatchObject({ code: "usage", message: expect.stringContaining("--fast") });
  });

  it("names the tasks for an unknown one", async () => {
    const ended = await ibert(["generate", "--task", "dance", "--json", "text"]);
    expect(ended.code).toBe(2);
    expect(errorOf(ended)).toMatchObject({
      code: "task-unknown",
      message: expect.stringContaining('"dance"'),
      hint: expect.stringContaining("sql_to_ibis"),
    });
  });

  it("gives message and hint on standard error, and no stack", async () => {
    const { code, stdout, stderr } = await ibert(["adapter", "inspect", "no-such-folder"]);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^error: .*no-such-folder.*\n {2}Check the path\.\n$/);
  });
});

describe("schema options", () => {
  it("name the file and key at fault", async () => {
    const file = join(temporaryFolder(), "schema.json");
    writeFileSync(file, JSON.stringify({ orders: { region: 7 } }));
    expect((await ibert(["validate", "--schema", file, "--code", "orders"])).stderr).toContain(
      `${file}: orders.region`,
    );
    expect((await ibert(["validate", "--table", "orders", "--code", "orders"])).stderr).toContain(
      'Write it as "orders(region string, amount float64)"',
    );
  });
});

describe("ibert bench", () => {
  it("hands its words to the benchmarks and takes their exit code", async () => {
    expect((await ibert(["bench", "no-such-work"])).code).not.toBe(0);
  });
});
