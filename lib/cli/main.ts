/** What both programs share: parsing, errors, exit codes and broken pipes. */
import type { Readable, Writable } from "node:stream";

import { Command, CommanderError } from "commander";

import { IBertError } from "../errors.js";
import { ownHeap } from "./heap.js";
import { packageVersion } from "../runtime/cache.js";

/** Exit codes of both programs, as `--help` lists them. */
export const EXIT = { ok: 0, refused: 1, error: 2, interrupted: 130 } as const;

export const EXIT_CODES_HELP = `
Exit codes:
  0    all went well
  1    the compiler refused the text or the answer, or a check found problems
  2    usage, bad input, or the work failed
  130  interrupted`;

type Input = Readable & { isTTY?: boolean };
export type Output = Writable & { isTTY?: boolean; columns?: number };

/** Where a program reads and writes: the process, or a test's own streams. */
export interface Terminal {
  stdin: Input;
  stdout: Output;
  stderr: Output;
}

/** One run of a program. Commands print through it and leave their exit code here. */
export class Run {
  exitCode: number = EXIT.ok;

  constructor(readonly terminal: Terminal) {}

  /** A line of the result. */
  print(text: string): void {
    this.terminal.stdout.write(`${text}\n`);
  }

  /** The result for a program: one line of JSON. */
  printJson(value: unknown): void {
    this.print(JSON.stringify(value));
  }

  /** A line about the result, which a pipe does not carry on. */
  note(text: string): void {
    this.terminal.stderr.write(`${text}\n`);
  }
}

/** Adds a program's commands and options. */
export type Setup = (program: Command, run: Run) => void;

/** Runs one program to its end and returns its exit code; throws nothing. */
export async function runProgram(
  name: string,
  setup: Setup,
  argv: readonly string[],
  terminal: Terminal = process,
): Promise<number> {
  const run = new Run(terminal);
  const end = argv.indexOf("--");
  const json = (end < 0 ? argv : argv.slice(0, end)).includes("--json");
  const usage: string[] = [];
  const program = new Command(name)
    .version(packageVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => usage.push(text),
    });
  try {
    setup(program, run);
    await program.parseAsync([...argv], { from: "user" });
    return run.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.ok;
      if (json) run.printJson({ error: { code: "usage", message: error.message.replace(/^error: /, "") } });
      else terminal.stderr.write(usage.join("") || `${error.message}\n`);
      return EXIT.error;
    }
    reportError(error, run, json);
    return EXIT.error;
  }
}

function reportError(error: unknown, run: Run, json: boolean): void {
  const { code, message, hint } = describeError(error);
  if (json) {
    run.printJson({ error: { code, message, ...(hint === undefined ? {} : { hint }) } });
  } else {
    run.note(`error: ${message}`);
    if (hint !== undefined) run.note(`  ${hint}`);
  }
  if (process.env["IBERT_DEBUG"] === "1" && error instanceof Error) run.note(error.stack ?? "");
}

/** An error in words; one that ibert did not foresee says so. */
export function describeError(error: unknown): { code: string; message: string; hint?: string } {
  if (error instanceof IBertError) {
    const { code, hint } = error;
    // The message of an IBertError ends with its hint.
    if (hint === undefined) return { code, message: error.message };
    return { code, message: error.message.slice(0, -`\n  ${hint}`.length), hint };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: "internal", message, hint: "IBERT_DEBUG=1 shows where this came from; please report it." };
}

/** Shows what ibert has to remark as the program's own lines, where Node would name process and code. */
function showWarnings(): void {
  const others = process.listeners("warning");
  process.removeAllListeners("warning");
  process.on("warning", (warning) => {
    if (warning.name === "IBertWarning") process.stderr.write(`remark: ${warning.message}\n`);
    else for (const show of others) show(warning);
  });
}

/** Runs a program as this process. */
export async function main(name: string, setup: Setup): Promise<void> {
  ownHeap();
  showWarnings();
  // A reader that has seen enough (`| head`) closes the pipe; that is no error.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(EXIT.ok);
      throw error;
    });
  }
  process.exitCode = await runProgram(name, setup, process.argv.slice(2));
}
