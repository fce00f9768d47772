/**
 * A model in several GGUFs, as llama.cpp's `llama-gguf-split` writes them: `NAME-00001-of-0000N.gguf` and so on, the metadata in
 * the first, the tensors shared out over all.
 */
import { existsSync } from "node:fs";

import { IBertError } from "../errors.js";
import type { Gguf, GgufTensor, GgufValue } from "./gguf.js";

const NAME_OF_PART = /-(\d+)-of-(\d+)\.gguf$/i;

export const JOIN_PARTS = "Join them with llama.cpp: llama-gguf-split --merge FIRST_PART WHOLE.gguf";

/** What one file holds. */
export type GgufPart = Pick<Gguf, "path" | "version" | "alignment" | "metadata" | "tensors">;

function fault(
  message: string,
  hint = "Fetch all parts of one model into one folder, under their own names.",
): IBertError {
  return new IBertError("gguf-split", message, { hint });
}

/** Number of parts that a file's metadata names; 1 for a whole model. */
export function partCount(metadata: ReadonlyMap<string, GgufValue>): number {
  const count = metadata.get("split.count");
  return typeof count === "number" && count > 1 ? count : 1;
}

/** The paths of all parts, in their order, by the name of one. @throws IBertError `gguf-split` naming the part that is missing */
export function partPaths(path: string, count: number): string[] {
  const [suffix, number = "", named = ""] = NAME_OF_PART.exec(path) ?? [];
  if (suffix === undefined || Number(named) !== count) {
    throw fault(
      `${path}: this is one of ${count} parts of a split model (split.count), whose names end in -00001-of-${String(count).padStart(5, "0")}.gguf and so on`,
      `Give the parts their names back. ${JOIN_PARTS}`,
    );
  }
  const digits = (value: number): string => String(value).padStart(number.length, "0");
  const stem = path.slice(0, -suffix.length);
  const paths = Array.from({ length: count }, (_, i) => `${stem}-${digits(i + 1)}-of-${named}.gguf`);
  const missing = paths.findIndex((part) => !existsSync(part));
  if (missing >= 0)
    throw fault(
      `${path}: of ${count} parts of the model number ${missing + 1} is missing: ${paths[missing]}`,
    );
  return paths;
}

/**
 * The whole model.
 * @throws IBertError `gguf-split` where the parts are those of several models
 */
export function joinParts(parts: readonly GgufPart[]): GgufPart {
  const [first] = parts as [GgufPart, ...GgufPart[]];
  const tensors = new Map<string, GgufTensor>();
  for (const [i, part] of parts.entries()) {
    const [number, count] = [part.metadata.get("split.no"), partCount(part.metadata)];
    if (number !== i || count !== parts.length) {
      throw fault(
        `${part.path}: by its name this is part ${i + 1} of ${parts.length}, but split.no is ${String(number)} and split.count ${count}`,
      );
    }
    for (const tensor of part.tensors.values()) {
      const other = tensors.get(tensor.name);
      if (other !== undefined)
        throw fault(`tensor ${tensor.name} stands in ${other.path} and in ${part.path}`);
      tensors.set(tensor.name, tensor);
    }
  }
  const total = first.metadata.get("split.tensors.count");
  if (typeof total === "number" && total !== tensors.size) {
    throw fault(`${first.path}: the parts hold ${tensors.size} tensors, and split.tensors.count is ${total}`);
  }
  return { ...first, tensors };
}

const FAULTS_OF_PARTS = new Set<string>([
  "file-truncated",
  "gguf-invalid",
  "gguf-metadata",
  "weights-invalid",
]);

/**
 * What a fault of a file comes to that is by its name one of several parts, though no metadata says so: a part lacks what
 * the others hold. A whole file may have such a name, so that it alone refuses nothing.
 */
export function asPart(path: string, error: unknown): unknown {
  const [, number, count] = (NAME_OF_PART.exec(path) ?? []).map(Number);
  if (number === undefined || count === undefined || count <= 1) return error;
  if (!(error instanceof IBertError) || !FAULTS_OF_PARTS.has(error.code)) return error;
  const [reason] = error.message.split("\n");
  return new IBertError(
    "gguf-split",
    `${path}: by its name this is part ${number} of ${count} of a split model, and its metadata (split.count) does not say so (${reason})`,
    { hint: JOIN_PARTS, cause: error },
  );
}
