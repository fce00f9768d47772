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
 * The DSL whose own name or package's it is: corpora and adapters say by which package they were made.
 * @throws IBertError `dsl-unknown`
 */
export const dslOfPackage = (name: string): Dsl =>
  DSLS.find(({ packageName }) => packageName === name) ?? dslByName(name);

/**
 * A new engine for a DSL by name.
 * @throws IBertError `dsl-unknown`
 */
export function createEngine(dsl: string): DslEngine {
  return dslByName(dsl).createEngine();
}
