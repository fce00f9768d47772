/**
 * Batches of files that Semgrep has been through, beside what a run is to write: a run that was ended goes on after them.
 * Each is known by all that decides what it finds, so that no other run takes it for its own.
 */
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

import { writeFileAtomic } from "../../formats/atomic.js";
import { sha256OfText } from "../../formats/hash.js";
import { EXCERPTS } from "./rules.js";
import type { Scan } from "./semgrep.js";

const scanShape = z.strictObject({
  version: z.string(),
  matches: z.array(
    z.array(
      z.strictObject({
        rule: z.string(),
        excerpt: z.enum(EXCERPTS),
        line: z.int(),
        column: z.int(),
        endLine: z.int(),
        endColumn: z.int(),
      }),
    ),
  ),
  faults: z.array(z.string().nullable()),
});

export class FinishedBatches {
  private readonly folder: string;

  /** `rules`: SHA-256 of the rules. */
  constructor(
    output: string,
    private readonly rules: string,
  ) {
    this.folder = join(output, ".mining");
  }

  /** What was found in the files, by this run or one before it. @throws IBertError `write-failed`, `disk-full` */
  async scan(
    of: { repository: string; commit: string; files: readonly { file: string; text: string }[] },
    scan: () => Promise<Scan>,
  ): Promise<{ scan: Scan; resumed: boolean }> {
    const files = of.files.map(({ file, text }) => [file, sha256OfText(text)]);
    const key = sha256OfText(JSON.stringify([this.rules, of.repository, of.commit, files]));
    const path = join(this.folder, `${key}.json`);
    const found = read(path, of.files.length);
    if (found !== undefined) return { scan: found, resumed: true };
    const fresh = await scan();
    const faults = fresh.faults.map((fault) => fault ?? null);
    await writeFileAtomic(path, JSON.stringify({ ...fresh, faults }));
    return { scan: fresh, resumed: false };
  }

  /** Called when what was found is written. */
  async discard(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** What an earlier run left, unless it is missing or damaged. */
function read(path: string, files: number): Scan | undefined {
  try {
    const { version, matches, faults } = scanShape.parse(JSON.parse(readFileSync(path, "utf8")));
    if (matches.length !== files) return undefined;
    return { version, matches, faults: Array.from({ length: files }, (_, i) => faults[i] ?? undefined) };
  } catch {
    return undefined;
  }
}
