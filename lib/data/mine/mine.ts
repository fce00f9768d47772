/** Finds by rules what people write, in repositories that a user names. Nothing that is found is a row of a corpus yet. */
import { join } from "node:path";

import { writeFileAtomic } from "../../formats/atomic.js";
import { sha256OfText } from "../../formats/hash.js";
import { openRepository, type Repository } from "./repository.js";
import type { Rule } from "./rules.js";
import type { Scan } from "./semgrep.js";

export interface MineOptions {
  /** Folders of repositories, or wheels. */
  places: readonly string[];
  rules: readonly Rule[];
  /** Folder of `found.jsonl` and `manifest.json`, each of which is replaced as a whole. */
  output: string;
  /** Whether a file is worth looking into. */
  mentions: (text: string) => boolean;
  scan: (rules: readonly Rule[], texts: readonly string[]) => Promise<Scan>;
  onRepository?: (repository: MinedRepository) => void;
}

/** What was found in one repository. */
export interface MinedRepository {
  name: string;
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

/** Files, and characters of them, that one run of Semgrep takes: its start costs seconds. */
const MOST_FILES = 400;
const MOST_CHARACTERS = 8_000_000;
/** A longer file is data, or was made by a program. */
const LONGEST = 1_000_000;

/**
 * Writes each match as a line of `found.jsonl`: repository, commit, licence, file, line, endLine, rule, excerpt, text. The
 * same files and rules give the same bytes.
 * @throws IBertError those of `openRepository` and of `scan`, and `write-failed`, `disk-full`; what was there before stays
 */
export async function mine(options: MineOptions): Promise<Mined> {
  const { output, places, rules } = options;
  const repositories: Repository[] = [];
  for (const place of places) repositories.push(await openRepository(place));
  const mined: Mined = { format: 1, rules: sha256OfText(JSON.stringify(rules)), repositories: [] };
  await writeFileAtomic(join(output, "found.jsonl"), lines(repositories, options, mined));
  await writeFileAtomic(join(output, "manifest.json"), `${JSON.stringify(mined, null, 2)}\n`);
  return mined;
}

async function* lines(
  repositories: readonly Repository[],
  { rules, mentions, scan, onRepository }: MineOptions,
  mined: Mined,
): AsyncGenerator<Uint8Array> {
  for (const repository of repositories) {
    const { name, commit, licence, files } = repository;
    const report: MinedRepository = {
      ...{ name, commit, licence, files: files.length, read: 0, found: 0, rules: {}, refused: [] },
    };
    for await (const batch of batches(repository, mentions, report)) {
      const { version, matches, faults } = await scan(
        rules,
        batch.map(({ text }) => text),
      );
      mined.semgrep = version;
      for (const [i, { file, text }] of batch.entries()) {
        if (faults[i] !== undefined) report.refused.push(`${file}: ${faults[i]}`);
        const ownLines = text.split("\n");
        for (const { rule, excerpt, line, endLine } of matches[i] ?? []) {
          report.found++;
          report.rules[rule] = (report.rules[rule] ?? 0) + 1;
          const found = ownLines.slice(line - 1, endLine).join("\n");
          const item = { repository: name, commit, licence, file, line, endLine, rule, excerpt, text: found };
          yield Buffer.from(`${JSON.stringify(item)}\n`);
        }
      }
    }
    report.rules = Object.fromEntries(Object.entries(report.rules).sort(([a], [b]) => (a < b ? -1 : 1)));
    mined.repositories.push(report);
    onRepository?.(report);
  }
}

/** The files that are worth looking into, as many as Semgrep takes at a time. */
async function* batches(
  repository: Repository,
  mentions: (text: string) => boolean,
  report: MinedRepository,
): AsyncGenerator<{ file: string; text: string }[]> {
  let batch: { file: string; text: string }[] = [];
  let characters = 0;
  for (const file of repository.files) {
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true })
        .decode(await repository.read(file))
        .replaceAll("\r\n", "\n");
    } catch {
      report.refused.push(`${file}: it is no UTF-8 text`);
      continue;
    }
    if (!mentions(text)) continue;
    if (text.length > LONGEST) {
      report.refused.push(`${file}: it has ${text.length} characters; the most is ${LONGEST}`);
      continue;
    }
    if (batch.length === MOST_FILES || characters + text.length > MOST_CHARACTERS) {
      yield batch;
      [batch, characters] = [[], 0];
    }
    report.read++;
    batch.push({ file, text });
    characters += text.length;
  }
  if (batch.length > 0) yield batch;
}
