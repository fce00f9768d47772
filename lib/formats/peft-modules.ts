/** Which modules of a model a LoRA adapts, and how: PEFT's rules for `target_modules` and what goes with it. */
import { pythonPattern } from "./python-pattern.js";

/** The linear modules of a Llama or Mistral layer. */
export const LINEAR_MODULES = [
  "q_proj",
  "k_proj",
  "v_proj",
  "o_proj",
  "gate_proj",
  "up_proj",
  "down_proj",
] as const;
export type LinearModule = (typeof LINEAR_MODULES)[number];

/** What PEFT's names of modules begin with: of a model of text alone, and of Mistral 3's text part in two releases of transformers. */
export const MODULE_PREFIXES = ["model.", "model.language_model.", "language_model.model."] as const;
export type ModulePrefix = (typeof MODULE_PREFIXES)[number];

/** The beginning of a module's name; the longest that fits. */
export const modulePrefix = (module: string): ModulePrefix | undefined =>
  MODULE_PREFIXES.findLast((prefix) => module.startsWith(prefix));

/** A module's name with another beginning. */
export function renameModule(module: string, to: ModulePrefix): string {
  const from = modulePrefix(module);
  return from === undefined ? module : `${to}${module.slice(from.length)}`;
}

/** Hyper-parameters of a LoRA adapter (Hu et al. 2021). */
export interface LoraConfig {
  rank: number;
  /** The update is scaled by alpha / rank. */
  alpha: number;
  /** Rank-stabilised: the update is scaled by alpha / sqrt(rank) (Kalajdzievski 2023). */
  rsLora?: boolean;
  /** Names of modules or their endings, a regular expression of whole names, or `all-linear`. */
  targets: string | readonly string[];
  /** What names of modules begin with where these settings and the adapter's file name them; default `model.`. */
  modulePrefix?: ModulePrefix;
  /** As `targets`: what they name is left out. */
  excluded?: string | readonly string[];
  /** Numbers of the layers in which `targets` holds; a whole name in `targets` holds whatever they are. */
  layers?: readonly number[];
  /** What the list of layers is called in names of modules, as regular expressions; default: any name. */
  layersPattern?: readonly string[];
  /** Rank and alpha of modules by a regular expression of the end of their names; the first that matches holds. */
  rankPattern?: Readonly<Record<string, number>> | undefined;
  alphaPattern?: Readonly<Record<string, number>> | undefined;
}

/** How one module is adapted. */
export interface ModuleLora {
  rank: number;
  /** Factor of B A. */
  scale: number;
}

/** The last part of a module's name: `q_proj` of `model.layers.0.self_attn.q_proj`. */
export const lastName = (module: string): string => module.slice(module.lastIndexOf(".") + 1);

export const isLinearModule = (name: string): name is LinearModule =>
  (LINEAR_MODULES as readonly string[]).includes(name);

/** Whether a name of `target_modules` means a module: its whole name or an ending of it. */
export const isEnding = (module: string, name: string): boolean =>
  module === name || module.endsWith(`.${name}`);

type Test = (module: string) => boolean;

function named(names: string | readonly string[]): Test {
  if (typeof names !== "string") return (module) => names.some((name) => isEnding(module, name));
  const pattern = pythonPattern(names, { whole: true });
  return (module) => pattern.test(module);
}

function targeted({ targets, layers, layersPattern = [] }: LoraConfig): Test {
  if (typeof targets === "string" && targets.toLowerCase() === "all-linear")
    return (module) => isLinearModule(lastName(module));
  const matches = named(targets);
  if (typeof targets === "string" || layers === undefined) return matches;
  // The first number in a name, as PEFT finds it.
  const lists =
    layersPattern.length === 0 ? [".*?\\.[^.]*"] : layersPattern.map((list) => `(?:^|.*?\\.)${list}`);
  const patterns = lists.map((list) => pythonPattern(`${list}\\.(?P<idx>\\d+)\\.`, { whole: false }));
  const layerOf = (module: string): number => {
    const match = patterns.map((pattern) => pattern.exec(module)).find((found) => found !== null);
    return Number(match?.groups?.idx ?? -1);
  };
  return (module) => targets.includes(module) || (matches(module) && layers.includes(layerOf(module)));
}

/** A key of `rank_pattern` or `alpha_pattern`. */
const patternOf = (key: string): RegExp => pythonPattern(`(.*\\.)?(${key})$`, { whole: false });

/** The value of the first pattern that matches the end of a name. */
function byPattern(values: Readonly<Record<string, number>> = {}): (module: string) => number | undefined {
  const patterns = Object.entries(values).map(([key, value]) => [patternOf(key), value] as const);
  return (module) => patterns.find(([pattern]) => pattern.test(module))?.[1];
}

/**
 * How a configuration adapts each module, by its name in a model of text alone or in the configuration's own: `undefined`
 * where it does not.
 * @throws PatternError
 */
export function moduleLora(config: LoraConfig): (module: string) => ModuleLora | undefined {
  const isTargeted = targeted(config);
  const isExcluded = config.excluded === undefined ? () => false : named(config.excluded);
  const rankOf = byPattern(config.rankPattern);
  const alphaOf = byPattern(config.alphaPattern);
  return (given) => {
    const module = renameModule(given, config.modulePrefix ?? "model.");
    if (isExcluded(module) || !isTargeted(module)) return undefined;
    const rank = rankOf(module) ?? config.rank;
    const alpha = alphaOf(module) ?? config.alpha;
    return { rank, scale: alpha / (config.rsLora === true ? Math.sqrt(rank) : rank) };
  };
}

/** A key of the patterns that matches none of the modules. */
export function idlePattern(config: LoraConfig, modules: Iterable<string>): string | undefined {
  const names = [...modules];
  const keys = Object.keys({ ...config.rankPattern, ...config.alphaPattern });
  return keys.find((key) => !names.some((module) => patternOf(key).test(module)));
}
