/** Makes rows of what was mined: each match's program, cut out of its file, through the gates that rows of people pass. */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";

import type { Site } from "../../dsl/dsl.js";
import { IBertError } from "../../errors.js";
import { writeFileAtomic } from "../../formats/atomic.js";
import { sha256OfFile } from "../../formats/hash.js";
import { readJson } from "../../formats/json.js";
import { describeSystemError } from "../../formats/system-error.js";
import { hash53 } from "../random.js";
import type { AdmitRows, GiveTheSame, MakeRows, WrittenRow } from "../source.js";
import type { TaskType } from "../tasks.js";
import { parseMined } from "./lines.js";
import { FOUND, MANIFEST, textOf, type Found } from "./mine.js";
import { openRepository, type Repository } from "./repository.js";
import { EXCERPTS } from "./rules.js";

/** Files of the output, beside what was found. */
export const ROWS = "rows.jsonl";
export const REFUSED = "refused.jsonl";
export const PROCESSED = "processed.json";

export interface ProcessOptions {
  /** Folder of what `mine` wrote, in which the rows go. */
  folder: string;
  makeRows: MakeRows;
  admit: AdmitRows;
  /** Executes; without it nothing is. */
  same?: GiveTheSame;
  onProgress?: (progress: Processed) => void;
  /** Ends the run, and leaves what was there before. */
  signal?: AbortSignal;
}

export interface Processed {
  /** Matches that were read, of all. */
  found: number;
  of: number;
  /** Matches that gave a row, and rows of each task. */
  kept: number;
  rows: Partial<Record<TaskType, number>>;
  /** Matches that gave none, by reason. */
  refused: Record<string, number>;
}

const manifestShape = z.looseObject({
  format: z.literal(1),
  repositories: z.array(
    z.looseObject({ name: z.string(), place: z.string(), commit: z.string(), found: z.int() }),
  ),
});
const foundShape = z.looseObject({
  repository: z.string(),
  commit: z.string(),
  licence: z.string(),
  file: z.string(),
  line: z.int(),
  column: z.int(),
  endLine: z.int(),
  endColumn: z.int(),
  rule: z.string(),
  excerpt: z.enum(EXCERPTS),
  text: z.string(),
});

/** A match that gave no row. */
interface Refused extends Pick<Found, "repository" | "file" | "line" | "endLine" | "rule"> {
  reason: string;
  detail: string;
}

/**
 * Writes `rows.jsonl` (rows as `WrittenRow`, in the order of the matches), `refused.jsonl` and `processed.json`.
 * @throws IBertError `mined-missing` where nothing was mined there, `mined-invalid` naming file and line, `mined-changed` where a
 * repository is no longer what was mined; those of `writeFileAtomic`; the signal's reason
 */
export async function processFound(options: ProcessOptions): Promise<Processed> {
  const { folder, signal } = options;
  const repositories = await openMined(folder);
  const of = [...repositories.values()].reduce((sum, { found }) => sum + found, 0);
  const processed: Processed = { found: 0, of, kept: 0, rows: {}, refused: {} };
  const refused: Refused[] = [];
  try {
    await writeFileAtomic(join(folder, ROWS), lines(options, repositories, processed, refused));
  } catch (error) {
    signal?.throwIfAborted(); // what the writer says of it is no fault of the disk's
    throw error;
  }
  const byCount = Object.entries(processed.refused).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  processed.refused = Object.fromEntries(byCount);
  await writeFileAtomic(join(folder, REFUSED), refused.map((one) => `${JSON.stringify(one)}\n`).join(""));
  const rows = await sha256OfFile(join(folder, ROWS));
  const report = { format: 1, sha256: { [ROWS]: rows }, ...processed };
  await writeFileAtomic(join(folder, PROCESSED), `${JSON.stringify(report, null, 2)}\n`);
  return processed;
}

/** By name. */
type Mined = Map<string, { repository: Repository; found: number }>;

async function openMined(folder: string): Promise<Mined> {
  const path = join(folder, MANIFEST);
  const hint = "Mine first: npx ibert data mine";
  let value: unknown;
  try {
    value = readJson(path);
  } catch (cause) {
    if (!(cause instanceof IBertError) || cause.code !== "file-missing") throw cause;
    throw new IBertError("mined-missing", `${path}: nothing was mined there`, { hint, cause });
  }
  const parsed = manifestShape.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new IBertError("mined-invalid", `${path}: ${issue?.path.join(".")}: ${issue?.message}`, { hint });
  }
  const repositories: Mined = new Map();
  for (const { name, place, commit, found } of parsed.data.repositories) {
    const repository = await openRepository(place);
    if (repository.commit !== commit) {
      throw new IBertError(
        "mined-changed",
        `${place}: it is at ${repository.commit}, and was mined at ${commit}`,
        { hint: "Mine it again: npx ibert data mine" },
      );
    }
    repositories.set(name, { repository, found });
  }
  return repositories;
}

async function* lines(
  { folder, makeRows, admit, same, onProgress, signal }: ProcessOptions,
  repositories: Mined,
  processed: Processed,
  refused: Refused[],
): AsyncGenerator<Uint8Array> {
  const keys = new Set<number>();
  for await (const matches of ofOneFile(join(folder, FOUND))) {
    signal?.throwIfAborted();
    const all = await made(matches, repositories, makeRows);
    const draws = await admit(
      all.flatMap(({ rows }) => rows),
      same,
    );
    for (const { match, rows, reasons } of all) {
      processed.found++;
      let kept = false;
      for (const row of rows) {
        const draw = draws.shift();
        const key = draw !== undefined && "candidate" in draw ? draw.candidate.duplicateKey : "";
        if (draw === undefined || "refusal" in draw) {
          const { reason = "it was not judged" } = draw?.refusal ?? {};
          const [kind = reason, ...detail] = reason.split(": ");
          reasons.push({ reason: kind, detail: `${detail.join(": ")}\n${row.completion}` });
        } else if (keys.has(hash53(`${row.task}\n${key}`))) {
          reasons.push({
            reason: "another row has its query, but for literals and names",
            detail: row.completion,
          });
        } else {
          keys.add(hash53(`${row.task}\n${key}`));
          kept = true;
          processed.rows[row.task] = (processed.rows[row.task] ?? 0) + 1;
          yield Buffer.from(`${JSON.stringify(row)}\n`);
        }
      }
      if (kept) processed.kept++;
      else {
        const { reason, detail } = reasons[0] ?? { reason: "it holds no program", detail: "" };
        processed.refused[reason] = (processed.refused[reason] ?? 0) + 1;
        const { repository, file, line, endLine, rule } = match;
        refused.push({ repository, file, line, endLine, rule, reason, detail });
      }
    }
    onProgress?.(processed);
  }
}

/** The matches of one file after the other, as they stand in `found.jsonl`. */
async function* ofOneFile(path: string): AsyncGenerator<Found[]> {
  let matches: Found[] = [];
  let number = 0;
  const stream = createReadStream(path, "utf8");
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      number++;
      const match = parse(line, `${path}:${number}`);
      const [first] = matches;
      if (first !== undefined && (first.file !== match.file || first.repository !== match.repository)) {
        yield matches;
        matches = [];
      }
      matches.push(match);
    }
  } catch (error) {
    throw describeSystemError(error, "read", path);
  } finally {
    stream.destroy();
  }
  if (matches.length > 0) yield matches;
}

const parse = (line: string, where: string): Found =>
  parseMined(line, foundShape, where, "Mine again: npx ibert data mine");

interface MadeOfMatch {
  match: Found;
  rows: WrittenRow[];
  reasons: { reason: string; detail: string }[];
}

/** What becomes of the matches of one file. */
async function made(
  matches: readonly Found[],
  repositories: Mined,
  makeRows: MakeRows,
): Promise<MadeOfMatch[]> {
  const [first] = matches;
  if (first === undefined) return [];
  const gone = (reason: string): MadeOfMatch[] =>
    matches.map((match) => ({ match, rows: [], reasons: [{ reason, detail: "" }] }));
  const { repository } = repositories.get(first.repository) ?? {};
  if (repository === undefined) return gone("its repository is not among those that were mined");
  if (!repository.files.includes(first.file)) return gone("its file is no longer there");
  const text = await textOf(repository, first.file);
  if (text === undefined) return gone("its file is no UTF-8 text");
  const own = text.split("\n");
  const stands = ({ line, endLine, text: found }: Found): boolean =>
    own.slice(line - 1, endLine).join("\n") === found;
  const there = matches.filter(stands);
  const sites = there.map(({ excerpt, line, column, endLine, endColumn }): Site => ({
    ...{ excerpt, line, column, endLine, endColumn },
  }));
  const answers = await makeRows(text, sites);
  const bySite = new Map(there.map((match, i) => [match, answers[i]]));
  return matches.map((match) => {
    const answer = bySite.get(match);
    if (answer === undefined)
      return { match, rows: [], reasons: [{ reason: "its lines are no longer there", detail: "" }] };
    const rows = answer.rows.map((row) => ({ ...row, ...from(match) }));
    return { match, rows, reasons: answer.refused };
  });
}

/** Where a row is from. */
function from({
  repository,
  commit,
  licence,
  file,
  line,
  endLine,
  rule,
}: Found): Pick<WrittenRow, "source" | "licence" | "provenance"> {
  return {
    source: `mined ${repository}`,
    licence,
    provenance: { repository, commit, file, line, endLine, rule },
  };
}
