/** `ibert bench`: the benchmarks live in a checkout; this starts them. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

import type { Command } from "commander";

import { IBertError } from "../errors.js";
import { packageRoot } from "../runtime/cache.js";
import { withExample } from "./help.js";
import { EXIT, type Run } from "./main.js";

export function addBenchCommand(program: Command, run: Run): void {
  const command = program
    .command("bench")
    .description("The same work through ibert and its peers, in one run (needs a checkout).")
    .argument("[arguments...]", "what bench/bench.mjs takes: the work, and its options")
    .allowUnknownOption()
    .option("--json", "print the results as JSON")
    .action(async (words: string[], options: { json?: boolean }) => {
      const script = join(packageRoot(), "bench", "bench.mjs");
      if (!existsSync(script)) {
        throw new IBertError(
          "bench-missing",
          `${script} is not there: the package leaves the benchmarks out`,
          {
            hint: "Clone the repository and run `npm run bench -- <work>` in it.",
          },
        );
      }
      const code = await forward(script, options.json === true ? [...words, "--json"] : words);
      run.exitCode = code;
    });
  withExample(command, "npx ibert bench train --json");
}

function forward(script: string, words: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...words], { stdio: "inherit" });
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve(signal === "SIGINT" ? EXIT.interrupted : (code ?? EXIT.error)),
    );
  });
}
