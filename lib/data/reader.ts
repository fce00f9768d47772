import { join } from "node:path";
import { splitFile } from "./corpus.js";
import { RowFile, type RowFileOptions } from "./row-file.js";
import type { Split } from "./tasks.js";

/** Opens the rows of one split of a corpus folder; the caller closes them. @throws IBertError as `RowFile.open` */
export function openSplit(directory: string, split: Split, options: RowFileOptions = {}): Promise<RowFile> {
  return RowFile.open(join(directory, splitFile(split)), options);
}
