import { IBertError } from "../errors.js";
import { DSL_NAMES } from "./declared.js";
import type { Dsl } from "./definition.js";
import type { DslEngine } from "./dsl.js";
import { ibis } from "./ibis/index.js";

const DSLS: readonly Dsl[] = [ibis];

/** @throws IBertError `dsl-unknown` */
export function dslByName(name: string): Dsl {
  const dsl = DSLS.find((candidate) => candidate.name === name);
  if (dsl !== undefined) return dsl;
  throw new IBertError("dsl-unknown", `no DSL is called ${JSON.stringify(name)}`, {
    hint: `known: ${DSL_NAMES.join(", ")}`,
  });
}

/**
 * A new engine for a DSL by name.
 * @throws IBertError `dsl-unknown`
 */
export function createEngine(dsl: string): DslEngine {
  return dslByName(dsl).createEngine();
}
