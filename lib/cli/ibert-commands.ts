import type { Command } from "commander";

import { addAdapterCommands } from "./adapter-commands.js";
import { addBenchCommand } from "./bench-command.js";
import { addDataCommands } from "./data-commands.js";
import { addDoctorCommand } from "./doctor-command.js";
import { addEvaluateCommand } from "./evaluate-command.js";
import { addGenerateCommands } from "./generate-command.js";
import { addInitCommand } from "./init-command.js";
import { EXIT_CODES_HELP, type Run } from "./main.js";
import { addModelCommands } from "./model-commands.js";
import { addQuickstartCommand } from "./quickstart-command.js";
import { addValidateCommand } from "./validate-command.js";

const COMMANDS: ((program: Command, run: Run) => void)[] = [
  addGenerateCommands,
  addValidateCommand,
  addEvaluateCommand,
  addQuickstartCommand,
  addInitCommand,
  addDataCommands,
  addModelCommands,
  addAdapterCommands,
  addDoctorCommand,
  addBenchCommand,
];

/** `ibert` with all its commands. */
export function setUpIbert(program: Command, run: Run): void {
  program
    .description("Code models for lazy dataframe DSLs: every answer is checked by the real compiler.")
    .addHelpText(
      "after",
      `
Example:
  $ echo "SELECT region, SUM(amount) FROM orders GROUP BY region" | npx ibert from-sql --table "orders(region string, amount float64)"

Training is a program of its own: npx ibert-train --help
${EXIT_CODES_HELP}`,
    );
  for (const add of COMMANDS) add(program, run);
}
