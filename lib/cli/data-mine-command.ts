/** `ibert data mine`. */
import { basename, join } from "node:path";

import type { Command } from "commander";

import { FOUND, mine, type MinedRepository, type MiningProgress } from "../data/mine/mine.js";
import { ownRules, readRules } from "../data/mine/rules.js";
import { findSemgrep, scan } from "../data/mine/semgrep.js";
import type { Dsl } from "../dsl/definition.js";
import { dslByName } from "../dsl/registry.js";
import { dslOption } from "./dsl-option.js";
import { formatCount, formatTable } from "./format.js";
import { withExample } from "./help.js";
import { interruptible } from "./interruptible.js";
import type { Run } from "./main.js";
import { progressLine } from "./progress-line.js";

interface MineCommandOptions {
  output: string;
  rules: string;
  dsl: string;
  json?: boolean;
}

export function addMineCommand(data: Command, run: Run): void {
  const command = data
    .command("mine")
    .description(
      "Find programs in Python repositories by rules of Semgrep, with file, line, commit and licence.",
    )
    .argument("[paths...]", "folders of repositories, or wheels (default: the language's own wheel)")
    .option("--output <folder>", "where found.jsonl and manifest.json go", join("data", "repo"))
    .option("--rules <place>", "a file of rules, or a folder of them", ownRules())
    .addOption(dslOption())
    .option("--json", "print the manifest")
    .action((paths: string[], options: MineCommandOptions) => mineCommand(paths, options, run));
  withExample(command, "npx ibert data mine ../reports ../pipelines");
}

/** The wheel of the language's own package, among those that the sandbox loads. */
function ownWheel(dsl: Dsl): string[] {
  const name = `${dsl.packageName.replaceAll("-", "_")}-`;
  return dsl.packageFiles().filter((path) => basename(path).startsWith(name));
}

async function mineCommand(paths: string[], options: MineCommandOptions, run: Run): Promise<void> {
  const rules = readRules(options.rules);
  const program = findSemgrep();
  const dsl = dslByName(options.dsl);
  const imports = new RegExp(`^\\s*(?:>>> )?(?:import|from) +${dsl.name}\\b`, "m");
  const { output } = options;
  const kept = "the same command goes on after the batches of files that are finished";
  await interruptible(run, kept, async (signal) => {
    const mined = await mine({
      ...{ rules, output, signal },
      places: paths.length === 0 ? ownWheel(dsl) : paths,
      mentions: (text) => imports.test(text),
      scan: (...asked) => scan(program, ...asked),
      ...(options.json === true ? {} : { onProgress: progressLine(run, progressText) }),
    });
    if (options.json === true) return run.printJson(mined);
    for (const repository of mined.repositories) print(repository, run);
    const found = mined.repositories.reduce((sum, one) => sum + one.found, 0);
    run.print(`${join(output, FOUND)}: ${formatCount(found)} matches of ${rules.length} rules`);
  });
}

function progressText({ repository, files, of, found, resumed }: MiningProgress): string {
  const before = resumed === 0 ? "" : `, ${formatCount(resumed)} of them by an earlier run`;
  return `${repository}: ${formatCount(files)} of ${formatCount(of)} files${before}, ${formatCount(found)} matches`;
}

function print(
  { name, commit, licence, files, read, found, rules, refused }: MinedRepository,
  run: Run,
): void {
  run.print(
    `${name} at ${commit}, ${licence}: ${formatCount(read)} of ${formatCount(files)} Python files import it, ${formatCount(found)} matches`,
  );
  const rows = Object.entries(rules).map(([rule, count]) => [rule, formatCount(count)]);
  if (rows.length > 0) run.print(formatTable([["rule", "matches"], ...rows]));
  for (const reason of refused) run.print(`  ${reason}`);
}
