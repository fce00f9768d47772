/** `ibert quickstart`: from an empty folder to a measured adapter, by the commands that one would type. */
import { Command } from "commander";

import { DEFAULT_DSL } from "../dsl/declared.js";
import { dslByName } from "../dsl/registry.js";
import { resolveSource } from "../models/sources.js";
import { readTrainingConfig } from "../training/config-file.js";
import { addDataCommands } from "./data-commands.js";
import { addGenerateCommands } from "./generate-command.js";
import { withExample } from "./help.js";
import { EXIT, type Run, type Setup } from "./main.js";
import { setUpTraining } from "./train-command.js";

const CONFIG = "quickstart";
const PROMPT = "orders.group_by('region').";
const TABLE = "orders(region string, amount float64)";

interface Options {
  force?: boolean;
  set: string[];
  json?: boolean;
}

export function addQuickstartCommand(program: Command, run: Run): void {
  const command = program
    .command("quickstart")
    .description(
      "Fetch SmolLM2-135M, make a corpus, fine-tune the model on it and measure it before and after.",
    )
    .option("--force", "train anew, also where the adapter is there and nothing has changed")
    .option(
      "--set <key=value>",
      "change one setting of the training, e.g. steps=20; may be repeated",
      (setting: string, before: string[]) => [...before, setting],
      [] as string[],
    )
    .option("--json", "print what each command prints with --json")
    .action((options: Options) => quickstart(options, run));
  withExample(command, "npx ibert quickstart", "npx ibert quickstart --set steps=20");
}

async function quickstart(options: Options, run: Run): Promise<void> {
  const started = performance.now();
  const { base, corpus, output } = readTrainingConfig(CONFIG, options.set);
  const json = options.json === true ? ["--json"] : [];
  const reuse = options.force === true ? [] : ["--reuse"];
  const settings = options.set.flatMap((setting) => ["--set", setting]);
  const say = (line: string): void => (options.json === true ? run.note(line) : run.print(line));
  const commands: [string, () => Promise<void>][] = [
    ["model", () => fetchParts(base, say)],
    [
      "corpus",
      () => perform(addDataCommands, ["data", "build", "--config", CONFIG, "--output", corpus, ...json], run),
    ],
    ["training", () => perform(setUpTraining, ["--config", CONFIG, ...settings, ...reuse, ...json], run)],
    [
      "an answer",
      async () => {
        say(`$ echo "${PROMPT}" | npx ibert complete --table "${TABLE}"`);
        const words = ["complete", "--whole", "--adapter", output, "--table", TABLE, ...json, PROMPT];
        await perform(addGenerateCommands, words, run);
        // The compiler may refuse one answer; that is a verdict, not a failure of the quick start.
        if (run.exitCode === EXIT.refused) run.exitCode = EXIT.ok;
      },
    ],
  ];
  for (const [name, command] of commands) {
    const begun = performance.now();
    say(`== ${name}`);
    await command();
    if (run.exitCode !== EXIT.ok) return;
    say(`== ${name}: ${seconds(begun)} s`);
  }
  say(`\nDone in ${seconds(started)} s. Open ${output}/report/report.html for the curves and the answers.`);
}

const seconds = (since: number): number => Math.round((performance.now() - since) / 1000);

/** A command as if it were typed. It prints, throws and leaves its exit code as there. */
async function perform(setup: Setup, words: readonly string[], run: Run): Promise<void> {
  const program = new Command().exitOverride();
  setup(program, run);
  await program.parseAsync([...words], { from: "user" });
}

/** The compiler's packages and the base come first: what cannot be had is known before anything takes time. */
async function fetchParts(base: string, say: (line: string) => void): Promise<void> {
  dslByName(DEFAULT_DSL).packageFiles();
  say((await resolveSource(base, { report: say })).path);
}
