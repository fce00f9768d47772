/** Rows that were made of what was mined, as a corpus takes them in: through the gates again, since files change. */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { IBertError } from "../../errors.js";
import { sha256OfFile } from "../../formats/hash.js";
import { describeSystemError } from "../../formats/system-error.js";
import type { AdmitRows, Draw, GiveTheSame, WrittenRow } from "../source.js";
import { rowShape } from "../tasks.js";
import { parseMined } from "./lines.js";
import { ROWS } from "./process.js";

const shape = rowShape.omit({ id: true, split: true, shape: true });

/** Rows that the gates see at a time. */
const BATCH = 64;

export interface MinedRows {
  /** SHA-256 of the rows: another one is another corpus. */
  sha256: string;
  draws(admit: AdmitRows, same?: GiveTheSame): AsyncGenerator<Draw>;
}

/** The rows that `ibert data process` has written into the folder. @throws IBertError `mined-missing` */
export async function openMinedRows(folder: string): Promise<MinedRows> {
  const path = join(folder, ROWS);
  try {
    return { sha256: await sha256OfFile(path), draws: (...gates) => draws(path, ...gates) };
  } catch (error) {
    const cause = describeSystemError(error, "read", path);
    if (cause.code !== "file-missing") throw cause;
    throw new IBertError("mined-missing", `${path}: no rows are there`, {
      hint: "Make them of what was mined: npx ibert data process",
      cause,
    });
  }
}

/** @throws IBertError `mined-invalid` naming file and line */
async function* draws(path: string, admit: AdmitRows, same?: GiveTheSame): AsyncGenerator<Draw> {
  let batch: WrittenRow[] = [];
  let number = 0;
  const stream = createReadStream(path, "utf8");
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      batch.push(parse(line, `${path}:${++number}`));
      if (batch.length < BATCH) continue;
      yield* await admit(batch, same);
      batch = [];
    }
  } finally {
    stream.destroy();
  }
  yield* await admit(batch, same);
}

const parse = (line: string, where: string): WrittenRow =>
  parseMined(line, shape, where, "Make the rows again: npx ibert data process") as WrittenRow;
