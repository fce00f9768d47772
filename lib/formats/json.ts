import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";

import { IBertError } from "../errors.js";
import { describeSystemError } from "./system-error.js";

/**
 * Reads a text file whole. A UTF-8 byte order mark is read over (RFC 8259 lets a parser do so).
 * @throws IBertError `file-missing`, `text-encoding` naming the file.
 */
export function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw describeSystemError(error, "read", path);
  }
  if (!isUtf8(bytes)) {
    const wide = bytes.length >= 2 && [0xfeff, 0xfffe].includes(bytes.readUInt16BE());
    throw new IBertError("text-encoding", `${path}: the file is ${wide ? "UTF-16" : "not UTF-8"}`, {
      hint: "Save it as UTF-8.",
    });
  }
  return bytes.toString("utf8").replace(/^\ufeff/, "");
}

/**
 * Reads a JSON file.
 * @throws IBertError `file-missing`, `text-encoding`, `json-invalid` naming the file.
 */
export function readJson(path: string): unknown {
  const text = readText(path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new IBertError(
      "json-invalid",
      `${path}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
