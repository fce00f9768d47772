import { availableParallelism } from "node:os";

import { Option } from "commander";

import { wholeNumber } from "./help.js";

/** `--workers`: compiler processes. */
export const workersOption = (): Option =>
  new Option("--workers <n>", "compiler processes")
    .argParser(wholeNumber(1))
    .default(Math.min(64, availableParallelism()), "one a core, at most 64");
