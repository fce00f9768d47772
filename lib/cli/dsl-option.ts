import { Option } from "commander";

import { DEFAULT_DSL, DSL_NAMES } from "../dsl/declared.js";

export const dslOption = (): Option =>
  new Option("--dsl <name>", "the DSL of the corpus").choices(DSL_NAMES).default(DEFAULT_DSL);
