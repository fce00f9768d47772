import { readFileSync } from "node:fs";

import { IBertError } from "../errors.js";
import { describeSystemError } from "./system-error.js";

/**
 * Reads a JSON file.
 * @throws IBertError `file-missing`, `json-invalid` naming the file.
 */
export function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw describeSystemError(error, "read", path);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new IBertError(
      "json-invalid",
      `${path}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
