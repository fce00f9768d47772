import type { CheckOptions, DslEngine, Verdict } from "../dsl/dsl.js";
import { DEFAULT_DSL } from "../dsl/declared.js";
import { createEngine } from "../dsl/registry.js";

/** How a text is checked. */
export interface ValidateOptions extends CheckOptions {
  /** The DSL of the text (default: the first one). */
  dsl?: string;
}

const engines = new Map<string, DslEngine>();

/** The engine that all callers in this process share; it starts at its first use. */
export function sharedEngine(dsl: string = DEFAULT_DSL): DslEngine {
  let engine = engines.get(dsl);
  if (engine === undefined) {
    engine = createEngine(dsl);
    engines.set(dsl, engine);
  }
  return engine;
}

/**
 * Checks one text with the real compiler, in a sandbox: does it parse, do its names exist, does it build, does it
 * compile to SQL? Whatever the text does, the answer is a verdict.
 * @example
 * ```ts
 * import { closeValidators, validate } from "ibert";
 *
 * const schema = { orders: { region: "string", amount: "float64" } };
 * const verdict = await validate("orders.filter(_.amout > 100)", { schema });
 * console.log(verdict.stage, verdict.ok, verdict.error?.message); // at "names" or "build", false, and the compiler's own words
 * await closeValidators();
 * ```
 * @throws IBertError for what is wrong outside the text: `schema-invalid`, `dialect-unknown`, `dsl-unknown`,
 *   `wheel-missing`, `wheel-corrupt`, `sandbox-start`.
 */
export async function validate(text: string, options: ValidateOptions = {}): Promise<Verdict> {
  const { dsl, ...check } = options;
  return sharedEngine(dsl).check(text, check);
}

/** Ends the shared engines' processes. They end with this process anyway, and the next `validate` starts them anew. */
export async function closeValidators(): Promise<void> {
  const open = [...engines.values()];
  engines.clear();
  await Promise.all(open.map((engine) => engine.close()));
}
