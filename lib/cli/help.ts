import { InvalidArgumentError, type Command } from "commander";

import { EXIT_CODES_HELP } from "./main.js";

/** Ends a command's help with an example and the exit codes. */
export function withExample(command: Command, ...lines: string[]): Command {
  const example = lines.map((line) => `  $ ${line}`).join("\n");
  return command.addHelpText("after", `\nExample:\n${example}\n${EXIT_CODES_HELP}`);
}

/** The value of an option that counts. */
export function wholeNumber(lowest: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (value.trim() === "" || !Number.isSafeInteger(number) || number < lowest) {
      throw new InvalidArgumentError(`It takes a whole number of at least ${lowest}.`);
    }
    return number;
  };
}

/** The value of an option that measures. */
export function numberBetween(lowest: number, highest: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (value.trim() === "" || !(number >= lowest && number <= highest)) {
      throw new InvalidArgumentError(
        highest === Infinity
          ? `It takes a number of at least ${lowest}.`
          : `It takes a number from ${lowest} to ${highest}.`,
      );
    }
    return number;
  };
}
