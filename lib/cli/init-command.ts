/** `ibert init`. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";

import { Option, type Command } from "commander";

import { IBertError } from "../errors.js";
import { writeFileAtomic } from "../formats/atomic.js";
import { describeSystemError } from "../formats/system-error.js";
import { readText } from "../formats/text.js";
import { readTrainingConfig } from "../training/config-file.js";
import { configSchemaPath, TRAINING_CONFIGS } from "../training/config-names.js";
import { withExample } from "./help.js";
import type { Run } from "./main.js";

/** What training writes and a repository should not hold. */
const IGNORED = ["adapters/", "data/corpus/"];

export function addInitCommand(program: Command, run: Run): void {
  const command = program
    .command("init")
    .description("Write a commented training configuration, and keep what training writes out of git.")
    .argument("[file]", "the configuration to write", "ibert.yaml")
    .addOption(
      new Option("--from <name>", "the configuration to begin with")
        .choices(TRAINING_CONFIGS.names())
        .default("quickstart"),
    )
    .option("--json", "print what was written")
    .action(async (file: string, options: { from: string; json?: boolean }) => {
      await writeConfig(file, options.from);
      // A corpus lies in the folder of its configuration (`ibert data build`).
      const corpus = basename(readTrainingConfig(file).corpus);
      const ignored = await ignore(join(dirname(file), ".gitignore"));
      if (options.json === true) return run.printJson({ config: file, ignored });
      run.print(`${file}: written`);
      if (ignored.length > 0) run.print(`${join(dirname(file), ".gitignore")}: added ${ignored.join(", ")}`);
      run.print(`Next: the corpus that ${file} names, and the training:`);
      run.print(`  npx ibert data build --config ${corpus}\n  npx ibert-train --config ${file}`);
    });
  withExample(command, "npx ibert init", "npx ibert init training.yaml --from devstral");
}

/** Copies a configuration; its first line for editors names the schema from where the copy lies. */
async function writeConfig(file: string, from: string): Promise<void> {
  if (existsSync(file)) {
    throw new IBertError("argument-invalid", `${file} is there already and was left as it is`, {
      hint: "Name another file: npx ibert init FILE",
    });
  }
  const schema = relative(dirname(resolve(file)), configSchemaPath())
    .split(sep)
    .join("/");
  const named = schema.startsWith(".") ? schema : `./${schema}`;
  const text = readFileSync(TRAINING_CONFIGS.named(from), "utf8").replaceAll(
    "$schema=./schema.json",
    () => `$schema=${named}`,
  );
  await write(file, text);
}

/** Adds the lines that a .gitignore lacks, and says which. */
async function ignore(file: string): Promise<string[]> {
  const text = existsSync(file) ? readText(file) : "";
  const lines = new Set(text.split(/\r?\n/).map((line) => line.trim().replace(/^\//, "")));
  const added = IGNORED.filter((line) => !lines.has(line) && !lines.has(line.slice(0, -1)));
  if (added.length === 0) return added;
  const before = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  await write(file, `${before}${added.map((line) => `${line}\n`).join("")}`);
  return added;
}

async function write(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFileAtomic(file, text);
  } catch (error) {
    throw error instanceof IBertError ? error : describeSystemError(error, "write", file);
  }
}
