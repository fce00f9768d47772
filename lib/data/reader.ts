import { join } from "node:path";
import { splitFile, type Manifest } from "./corpus.js";
import { RowFile, type RowFileOptions } from "./row-file.js";
import { SPLITS, type Split } from "./tasks.js";

/** Opens the rows of one split of a corpus folder; the caller closes them. @throws IBertError as `RowFile.open` */
export function openSplit(directory: string, split: Split, options: RowFileOptions = {}): Promise<RowFile> {
  return RowFile.open(join(directory, splitFile(split)), options);
}

/** Opens the splits that the manifest says have rows, and closes them again. */
export async function withSplits<T>(
  directory: string,
  manifest: Manifest,
  work: (splits: ReadonlyMap<Split, RowFile>) => T | Promise<T>,
): Promise<T> {
  const splits = new Map<Split, RowFile>();
  try {
    for (const split of SPLITS) {
      if ((manifest.files[splitFile(split)]?.rows ?? 0) > 0)
        splits.set(split, await openSplit(directory, split));
    }
    return await work(splits);
  } finally {
    for (const rows of splits.values()) rows.close();
  }
}
