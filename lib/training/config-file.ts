/** A training configuration as a YAML file, with the settings of the command line over it. */
import { IBertError } from "../errors.js";
import { isMapping, lineOf, parseYaml, readYamlMapping, YamlFault } from "../formats/yaml.js";
import { TRAINING_CONFIGS } from "./config-names.js";
import { parseTrainingConfig, type TrainingConfig } from "./config.js";

/** `key=value` of the command line. */
interface Setting {
  text: string;
  path: string[];
  value: unknown;
}

const badSetting = (text: string, message: string, hint?: string): IBertError =>
  new IBertError("setting-invalid", `--set ${text}: ${message}`, {
    hint: hint ?? "For example --set optimizer.learningRate=1e-4",
  });

function parseSetting(text: string): Setting {
  const at = text.indexOf("=");
  const key = text.slice(0, Math.max(at, 0)).trim();
  if (at < 0 || key === "") throw badSetting(text, "expected key=value");
  const path = key.split(".");
  if (path.includes("")) throw badSetting(text, `a part of the key ${key} is empty`);
  try {
    return { text, path, value: parseYaml(text.slice(at + 1)).value };
  } catch (error) {
    if (!(error instanceof YamlFault)) throw error;
    throw badSetting(
      text,
      `the value is no YAML: ${error.message}`,
      "Put a value with special characters in quotes.",
    );
  }
}

/** Puts the value of a setting in its place; mappings that are not there yet are made. */
function applySetting(config: Record<string, unknown>, { text, path, value }: Setting): void {
  let mapping = config;
  for (const [i, part] of path.slice(0, -1).entries()) {
    const name = path.slice(0, i + 1).join(".");
    const inner = Object.hasOwn(mapping, part) ? mapping[part] : define(mapping, part, {});
    if (inner === null) {
      throw badSetting(
        text,
        `${name} is empty`,
        `Write a key below ${name}, or take its line out of the file.`,
      );
    }
    if (Array.isArray(inner)) {
      throw badSetting(text, `${name} is a list`, `Set it whole: --set ${name}=[a,b]`);
    }
    if (!isMapping(inner)) throw badSetting(text, `${name} is ${JSON.stringify(inner)} and holds no keys`);
    mapping = inner;
  }
  define(mapping, path.at(-1) as string, value);
}

/** As an own key, whatever its name: `__proto__` is an unknown key like any other. */
function define(mapping: Record<string, unknown>, key: string, value: unknown): unknown {
  Object.defineProperty(mapping, key, { value, enumerable: true, writable: true, configurable: true });
  return value;
}

/**
 * Reads a YAML file, or the configuration of that name that comes with ibert, and applies `key=value` settings to it,
 * dotted keys, values in YAML.
 * @example
 * ```ts
 * import { readTrainingConfig } from "ibert";
 *
 * const config = readTrainingConfig("quickstart", ["lora.rank=16", "optimizer.learningRate=3e-4"]);
 * ```
 * @throws IBertError `config-missing`, `config-invalid` naming the key and its line, `setting-invalid`, `text-encoding`
 */
export function readTrainingConfig(nameOrFile: string, settings: readonly string[] = []): TrainingConfig {
  const path = TRAINING_CONFIGS.pathOf(nameOrFile);
  const yaml = readYamlMapping(
    path,
    `Name a file, or one that comes with ibert: ${TRAINING_CONFIGS.names().join(", ")}; \`ibert init\` writes a file to begin with.`,
  );
  const { value } = yaml;
  const parsed = settings.map(parseSetting);
  for (const setting of parsed) applySetting(value, setting);
  const isSet = (key: readonly PropertyKey[]): boolean =>
    parsed.some(({ path: own }) => own.every((part, i) => part === key[i]));
  return parseTrainingConfig(value, path, (key) => (isSet(key) ? "--set" : lineOf(yaml, key)));
}
