import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { IBertError } from "../errors.js";
import { splitFile } from "./corpus.js";
import { parseTaskType, rowShape, type Row, type Split } from "./tasks.js";

/** One line of a corpus file. `where` is `file:line`. */
function parseRow(line: string, where: string): Row {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new IBertError("row_json", `${where}: not JSON`, { cause });
  }
  const task = (value as { task?: unknown } | null)?.task;
  parseTaskType(task, where);
  const parsed = rowShape.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new IBertError(
      "row_shape",
      `${where}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not a row"}`,
    );
  }
  if (parsed.data.completion.trim() === "") {
    throw new IBertError(
      "row_unsupervised",
      `${where}: row ${parsed.data.id} has no completion to learn from`,
      {
        hint: "Give the row a completion, or take the line out.",
      },
    );
  }
  return parsed.data as Row;
}

/**
 * The rows of a file of JSON lines; blank lines are passed over.
 * @throws IBertError `corpus_missing`, `corpus_empty`, `row_json`, `row_shape`, `unknown_task`, `row_unsupervised`,
 * each naming file and line.
 */
export async function readRows(path: string): Promise<Row[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new IBertError("corpus_missing", `${path}: cannot be read`, {
      hint: "Build a corpus: npx ibert data build",
      cause,
    });
  }
  const rows = text
    .split("\n")
    .flatMap((line, i) => (line.trim() === "" ? [] : [parseRow(line, `${path}:${i + 1}`)]));
  if (rows.length === 0) {
    throw new IBertError("corpus_empty", `${path}: the corpus is empty`, {
      hint: "Build it again: npx ibert data build",
    });
  }
  return rows;
}

/** The rows of one split of a corpus folder. */
export function readSplit(directory: string, split: Split): Promise<Row[]> {
  return readRows(join(directory, splitFile(split)));
}
