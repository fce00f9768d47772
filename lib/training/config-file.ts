/** A training configuration as a YAML file, with the settings of the command line over it. */
import { isMap, isScalar, LineCounter, parseDocument, visit, type Document } from "yaml";

import { IBertError } from "../errors.js";
import { readText } from "../formats/text.js";
import { configNames, configPath } from "./config-names.js";
import { parseTrainingConfig, type TrainingConfig } from "./config.js";

/** A fault in YAML, with its place where that is known. */
class YamlFault extends Error {
  constructor(
    message: string,
    readonly line?: number,
    readonly column?: number,
  ) {
    super(message);
  }
}

/** What the library's own messages leave unclear. */
const MESSAGES: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: "the key stands twice",
  MULTIPLE_DOCS: "a second document begins; a configuration is one",
  TAB_AS_INDENT: "a tab stands in the indentation; YAML wants spaces",
};

interface Yaml {
  value: unknown;
  document: Document.Parsed;
  lines: LineCounter;
}

/** Reads YAML 1.2, with anchors and merge keys. @throws YamlFault */
function parseYaml(text: string): Yaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines, merge: true });
  // A tag that is not known is a warning to the library, and its value text.
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0]);
    throw new YamlFault(MESSAGES[problem.code] ?? problem.message, line, col);
  }
  visit(document, {
    Scalar(_, { value, source, range }) {
      // Octal in YAML 1.1, decimal in 1.2: its writer meant one of them.
      if (typeof value !== "number" || !/^[-+]?0\d/.test(source ?? "")) return;
      const { line, col } = lines.linePos(range?.[0] ?? 0);
      throw new YamlFault(`${source}: a number does not begin with 0 here; octal is written 0o17`, line, col);
    },
  });
  try {
    return { value: document.toJS(), document, lines };
  } catch (error) {
    // An alias without its anchor, or aliases that would grow without end.
    throw new YamlFault((error as Error).message);
  }
}

/** The line of a key, or of the nearest key above it. */
function lineOf({ document, lines }: Yaml, path: readonly PropertyKey[]): string | undefined {
  let node: unknown = document.contents;
  let line: number | undefined;
  for (const part of path) {
    if (!isMap(node)) break;
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
    if (pair === undefined || !isScalar(pair.key)) break;
    line = lines.linePos(pair.key.range?.[0] ?? 0).line;
    node = pair.value;
  }
  return line === undefined ? undefined : `line ${line}`;
}

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

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

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
  const path = configPath(nameOrFile);
  const yaml = readYamlFile(path);
  const { value } = yaml;
  if (!isMapping(value)) {
    const found = value === null ? "the file is empty" : "the file holds no keys";
    throw new IBertError("config-invalid", `${path}: ${found}`, {
      hint: "A configuration is lines of key: value; `ibert init` writes one.",
    });
  }
  const parsed = settings.map(parseSetting);
  for (const setting of parsed) applySetting(value, setting);
  const isSet = (key: readonly PropertyKey[]): boolean =>
    parsed.some(({ path: own }) => own.every((part, i) => part === key[i]));
  return parseTrainingConfig(value, path, (key) => (isSet(key) ? "--set" : lineOf(yaml, key)));
}

function readYamlFile(path: string): Yaml {
  let text: string;
  try {
    text = readText(path);
  } catch (cause) {
    if (!(cause instanceof IBertError) || cause.code !== "file-missing") throw cause;
    throw new IBertError("config-missing", `${path}: there is no such file`, {
      hint: `Name a file, or one that comes with ibert: ${configNames().join(", ")}; \`ibert init\` writes a file to begin with.`,
      cause,
    });
  }
  try {
    return parseYaml(text);
  } catch (error) {
    if (!(error instanceof YamlFault)) throw error;
    const { line, column, message } = error;
    const at = line === undefined ? path : `${path}:${line}`;
    throw new IBertError(
      "config-invalid",
      `${at}: ${column === undefined ? "" : `column ${column}: `}${message}`,
    );
  }
}
