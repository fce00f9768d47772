/** How rows that were not drawn for a corpus find their place in it: those of a user's file, and those that were mined. */
import { splitOfShape, tableHash } from "./corpus.js";
import type { PartialCorpus } from "./partial-corpus.js";
import { openSplit } from "./reader.js";
import type { Candidate } from "./source.js";
import type { Split } from "./tasks.js";

export const DUPLICATE = "the corpus has this row already, but for literals and names";

/** Hashes of the tables that `test_schema` holds out of training, as far as the corpus is saved. */
export async function heldOutTables(partial: PartialCorpus): Promise<Set<number>> {
  const found = new Set<number>();
  if (Object.values(partial.counts.test_schema).every((rows) => rows === 0)) return found;
  const rows = await openSplit(partial.folder, "test_schema");
  try {
    for (const { schema } of rows) for (const one of Object.entries(schema)) found.add(tableHash(one));
  } finally {
    rows.close();
  }
  return found;
}

/** Takes a row into the split of its shape; why not, as a text, where it does not go in. */
export function placeWritten(
  partial: PartialCorpus,
  { duplicateKey, ...row }: Candidate,
  heldOut: ReadonlySet<number>,
): { split: Split } | string {
  if (partial.has(row.task, duplicateKey)) return DUPLICATE;
  if (partial.isHuman(row.shape)) return "its shape is held out by the split human";
  const table = Object.entries(row.schema).find((one) => heldOut.has(tableHash(one)));
  if (table !== undefined) return `its table ${table[0]} is held out by the split test_schema`;
  const split = splitOfShape(row.shape);
  partial.add({ split, ...row }, duplicateKey);
  return { split };
}
