/** YAML files of settings: parsed with their places, so that a fault names its line. */
import { isMap, isScalar, LineCounter, parseDocument, visit, type Document } from "yaml";

import { IBertError } from "../errors.js";
import { readText } from "./text.js";

/** A fault in YAML, with its place where that is known. */
export class YamlFault extends Error {
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

export interface Yaml {
  value: unknown;
  document: Document.Parsed;
  lines: LineCounter;
}

/** Reads YAML 1.2, with anchors and merge keys. @throws YamlFault */
export function parseYaml(text: string): Yaml {
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
export function lineOf({ document, lines }: Yaml, path: readonly PropertyKey[]): string | undefined {
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

export const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Reads a YAML file that holds keys.
 * @param missing hint of the error where there is no such file
 * @throws IBertError `config-missing`, `config-invalid` with the line, `text-encoding`
 */
export function readYamlMapping(path: string, missing: string): Yaml & { value: Record<string, unknown> } {
  const yaml = readYaml(path, missing);
  const { value } = yaml;
  if (isMapping(value)) return { ...yaml, value };
  const found = value === null ? "the file is empty" : "the file holds no keys";
  throw new IBertError("config-invalid", `${path}: ${found}`, {
    hint: "A configuration is lines of key: value; `ibert init` writes one.",
  });
}

function readYaml(path: string, missing: string): Yaml {
  let text: string;
  try {
    text = readText(path);
  } catch (cause) {
    if (!(cause instanceof IBertError) || cause.code !== "file-missing") throw cause;
    throw new IBertError("config-missing", `${path}: there is no such file`, { hint: missing, cause });
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
