/** Finds by rules what people write, in repositories that a user names. `process.ts` makes rows of what is found. */
import { join } from "node:path";

import { writeFileAtomic } from "../../formats/atomic.js";
import { sha256OfText } from "../../formats/hash.js";
import { FinishedBatches } from "./batches.js";
import { openRepository, type Repository } from "./repository.js";
import type { Rule } from "./rules.js";
import type { Match, Scan } from "./semgrep.js";

export interface MineOptions {
  /** Folders of repositories, or wheels. */
  places: readonly string[];
  rules: readonly Rule[];
  /** Folder of `found.jsonl` and `manifest.json`, each of which is replaced as a whole. */
  output: string;
  /** Whether a file is worth looking into. */
  mentions: (text: string) => boolean;
  scan: (rules: readonly Rule[], texts: readonly string[], signal?: AbortSignal) => Promise<Scan>;
  onProgress?: (progress: MiningProgress) => void;
  /** Ends the run; the batches that are finished stay for the next one. */
  signal?: AbortSignal;
}

export interface MiningProgress {
  repository: string;
  /** Python files that were looked at, of all. */
  files: number;
  of: number;
  /** Matches in them. */
  found: number;
  /** Files of batches that an earlier run finished. */
  resumed: number;
}

/** A line of `found.jsonl`. */
export interface Found extends Match {
  repository: string;
  commit: string;
  licence: string;
  file: string;
  /** The lines of the match. */
  text: string;
}

/** What was found in one repository. */
export interface MinedRepository {
  name: string;
  /** Absolute path of the folder or the wheel. */
  place: string;
  commit: string;
  licence: string;
  /** Python files, and those among them that were looked into. */
  files: number;
  read: number;
  found: number;
  /** Matches of each rule that has some. */
  rules: Record<string, number>;
  /** `file: reason`, for each file that could not be read or matched as a whole. */
  refused: string[];
}

export interface Mined {
  format: 1;
  /** Version of Semgrep; absent where no file was worth looking into. */
  semgrep?: string;
  /** SHA-256 of the rules. */
  rules: string;
  repositories: MinedRepository[];
}

/** Files, and characters of them, that one run of Semgrep takes: its start costs seconds, and what is ended is lost. */
const MOST_FILES = 100;
const MOST_CHARACTERS = 2_000_000;
/** Files of the output. */
export const FOUND = "found.jsonl";
export const MANIFEST = "manifest.json";
/** A longer file is data, or was made by a program. */
const LONGEST = 1_000_000;

/**
 * Writes each match as a line of `found.jsonl`: repository, commit, licence, file, line, column, endLine, endColumn, rule,
 * excerpt, text. The same files and rules give the same bytes, whether or not the run goes on after one that was ended.
 * @throws IBertError those of `openRepository` and of `scan`, and `write-failed`, `disk-full`; the signal's reason; what was
 * there before stays
 */
export async function mine(options: MineOptions): Promise<Mined> {
  const { output, places, rules } = options;
  const repositories: Repository[] = [];
  for (const place of places) repositories.push(await openRepository(place));
  const mined: Mined = { format: 1, rules: sha256OfText(JSON.stringify(rules)), repositories: [] };
  const batches = new FinishedBatches(output, mined.rules);
  try {
    await writeFileAtomic(join(output, FOUND), lines(repositories, options, mined, batches));
  } catch (error) {
    options.signal?.throwIfAborted(); // what the writer says of it is no fault of the disk's
    throw error;
  }
  await writeFileAtomic(join(output, MANIFEST), `${JSON.stringify(mined, null, 2)}\n`);
  await batches.discard();
  return mined;
}

async function* lines(
  repositories: readonly Repository[],
  { rules, mentions, scan, onProgress, signal }: MineOptions,
  mined: Mined,
  finished: FinishedBatches,
): AsyncGenerator<Uint8Array> {
  for (const repository of repositories) {
    const { name, place, commit, licence, files } = repository;
    const report: MinedRepository = {
      ...{ name, place, commit, licence, files: files.length, read: 0, found: 0, rules: {}, refused: [] },
    };
    let resumed = 0;
    const tell = (looked: number): void =>
      onProgress?.({ repository: name, files: looked, of: files.length, found: report.found, resumed });
    tell(0);
    for await (const { batch, looked } of batches(repository, mentions, report)) {
      signal?.throwIfAborted();
      const texts = batch.map(({ text }) => text);
      const done = await finished.scan({ repository: name, commit, files: batch }, () =>
        scan(rules, texts, signal),
      );
      const { version, matches, faults } = done.scan;
      if (done.resumed) resumed += batch.length;
      mined.semgrep = version;
      for (const [i, { file, text }] of batch.entries()) {
        if (faults[i] !== undefined) report.refused.push(`${file}: ${faults[i]}`);
        const ownLines = text.split("\n");
        for (const { rule, excerpt, line, column, endLine, endColumn } of matches[i] ?? []) {
          report.found++;
          report.rules[rule] = (report.rules[rule] ?? 0) + 1;
          const item: Found = {
            ...{ repository: name, commit, licence, file, line, column, endLine, endColumn, rule, excerpt },
            text: ownLines.slice(line - 1, endLine).join("\n"),
          };
          yield Buffer.from(`${JSON.stringify(item)}\n`);
        }
      }
      tell(looked);
    }
    report.rules = Object.fromEntries(Object.entries(report.rules).sort(([a], [b]) => (a < b ? -1 : 1)));
    mined.repositories.push(report);
  }
}

/** The files that are worth looking into, as many as Semgrep takes at a time. */
async function* batches(
  repository: Repository,
  mentions: (text: string) => boolean,
  report: MinedRepository,
): AsyncGenerator<{ batch: { file: string; text: string }[]; looked: number }> {
  let looked = 0;
  let batch: { file: string; text: string }[] = [];
  let characters = 0;
  for (const file of repository.files) {
    looked++;
    const text = await textOf(repository, file);
    if (text === undefined) {
      report.refused.push(`${file}: it is no UTF-8 text`);
      continue;
    }
    if (!mentions(text)) continue;
    if (text.length > LONGEST) {
      report.refused.push(`${file}: it has ${text.length} characters; the most is ${LONGEST}`);
      continue;
    }
    if (batch.length === MOST_FILES || characters + text.length > MOST_CHARACTERS) {
      yield { batch, looked: looked - 1 };
      [batch, characters] = [[], 0];
    }
    report.read++;
    batch.push({ file, text });
    characters += text.length;
  }
  if (batch.length > 0) yield { batch, looked };
}

/** The text of a file as rules and processors read it; undefined where it is none in UTF-8. */
export async function textOf(repository: Repository, file: string): Promise<string | undefined> {
  const bytes = await repository.read(file);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replaceAll("\r\n", "\n");
  } catch {
    return undefined;
  }
}
