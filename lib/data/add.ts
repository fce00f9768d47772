/** Adds a user's own pairs to a corpus, through the gates that its other rows have passed. */
import { basename } from "node:path";
import { z } from "zod";
import type { Schema } from "../dsl/dsl.js";
import { sha256OfText } from "../formats/hash.js";
import { findJsonFault } from "../formats/json.js";
import { describeSystemError } from "../formats/system-error.js";
import { readText } from "../formats/text.js";
import { withLock } from "../hub/lock.js";
import { lockOf } from "./build.js";
import { emptyCounts, readManifest, type SplitCounts } from "./corpus.js";
import { PartialCorpus } from "./partial-corpus.js";
import type { AdmitRows, GiveTheSame, WrittenRow } from "./source.js";
import { TASK_TYPES } from "./tasks.js";
import { heldOutTables, placeWritten } from "./written.js";

const schemaShape = z.record(z.string().min(1), z.record(z.string().min(1), z.string().min(1)));

/** One line of a user's file. */
const pairShape = z.strictObject({
  task: z.enum(TASK_TYPES),
  /** The SQL, program, beginning, question or function that the task is about. */
  input: z.string().trim().min(1),
  completion: z.string().min(1),
  schema: schemaShape.exactOptional(),
  /** Of a broken program; found by running it where it is left out. */
  error: z.string().min(1).exactOptional(),
  /** Of SQL that is not DuckDB's. */
  dialect: z.string().min(1).exactOptional(),
  /** Where the pair is from, and under which licence. */
  source: z.string().min(1).exactOptional(),
  licence: z.string().min(1).exactOptional(),
});
export type Pair = z.infer<typeof pairShape>;

export interface AddOptions {
  /** Folder of the corpus. */
  directory: string;
  files: readonly string[];
  /** Tables of rows that name none. */
  schema?: Schema;
  /** Says what would be added, and adds nothing. */
  dryRun?: boolean;
  admit: AdmitRows;
  /** Executes; without it nothing is. */
  same?: GiveTheSame;
}

export interface Addition {
  /** Lines that hold a row. */
  read: number;
  /** Rows by split and task that were added, or would be. */
  added: SplitCounts;
  /** `file:line: reason`, for each row that was not. */
  refused: string[];
}

/** A user's file as it was read, and how many of its rows went in. */
interface UserFile {
  file: string;
  sha256: string;
  rows: number;
}

/** A row of a file that is one, and where it stands. */
interface Placed {
  of: UserFile;
  where: string;
  row: WrittenRow;
  hasSchema: boolean;
}

/**
 * Adds what passes. A row is refused, by file and line, that is no pair, does not compile or run, says what is not so,
 * repeats a row of the corpus but for literals, or has the shape or the tables that a split holds out from training. The others fall
 * into the split of their shape. The corpus is replaced as a whole.
 * @throws IBertError `corpus-missing`, `corpus-manifest`, `file-missing`, `text-encoding`, `corpus-write`
 */
export async function addToCorpus(options: AddOptions): Promise<Addition> {
  const { directory, files, dryRun = false, admit, same } = options;
  const addition: Addition = { read: 0, added: emptyCounts(), refused: [] };
  const placed = files.flatMap((file) => readPairs(file, options.schema, addition));
  return withLock(lockOf(directory), async () => {
    const manifest = readManifest(directory);
    const partial = await PartialCorpus.copyOf(directory, manifest);
    try {
      const heldOut = await heldOutTables(partial);
      for (const one of placed) {
        const reason = await place(one, partial, heldOut, admit, same, addition.added);
        if (reason === undefined) one.of.rows++;
        else addition.refused.push(`${one.where}: ${reason}`);
      }
      const from = [...new Set(placed.map(({ of }) => of))].filter(({ rows }) => rows > 0);
      if (dryRun || from.length === 0) return addition;
      partial.save({ task: 0, heldOut: false, human: true, next: 0 });
      const added = [...(manifest.added ?? []), ...from];
      const { settings, dsl } = manifest;
      await partial.finish(directory, await partial.manifest(basename(directory), { settings, dsl, added }));
      return addition;
    } finally {
      await partial.discard();
    }
  });
}

/** Why the row does not go in; undefined where it did. */
async function place(
  { row, hasSchema }: Placed,
  partial: PartialCorpus,
  heldOut: ReadonlySet<number>,
  admit: AdmitRows,
  same: GiveTheSame | undefined,
  added: SplitCounts,
): Promise<string | undefined> {
  const [draw] = await admit([row], same);
  if (draw === undefined) return "it was not judged";
  if ("refusal" in draw) {
    return hasSchema
      ? draw.refusal.reason
      : `${draw.refusal.reason} (it has no schema: give it the key schema, or all of them --schema)`;
  }
  const placed = placeWritten(partial, draw.candidate, heldOut);
  if (typeof placed === "string") return placed;
  added[placed.split][row.task]++;
  return undefined;
}

/** The rows of a file; lines that are none are refused. */
function readPairs(file: string, schema: Schema | undefined, addition: Addition): Placed[] {
  let text: string;
  try {
    text = readText(file);
  } catch (error) {
    throw describeSystemError(error, "read", file);
  }
  const of: UserFile = { file: basename(file), sha256: sha256OfText(text), rows: 0 };
  return text.split(/\r?\n/).flatMap((line, i): Placed[] => {
    if (line.trim() === "") return [];
    addition.read++;
    const where = `${file}:${i + 1}`;
    const refuse = (reason: string): [] => {
      addition.refused.push(`${where}: ${reason}`);
      return [];
    };
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      const { at, reason } = findJsonFault(line);
      return refuse(`not JSON at column ${at + 1}: ${reason}`);
    }
    const parsed = pairShape.safeParse(value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const key = issue?.path.join(".");
      return refuse(`${key ? `${key}: ` : ""}${issue?.message ?? "not a pair"}`);
    }
    return [
      { of, where, row: toRow(parsed.data, schema), hasSchema: (parsed.data.schema ?? schema) !== undefined },
    ];
  });
}

function toRow(pair: Pair, common: Schema | undefined): WrittenRow {
  const { task, input, completion, error, dialect, source = "user", licence = "unstated" } = pair;
  const schema = pair.schema ?? common ?? {};
  const tables = Object.keys(schema);
  return {
    task,
    fields: {
      ...(tables.length === 0 ? {} : { schema }),
      input,
      ...(error === undefined ? {} : { error }),
      ...(dialect === undefined ? {} : { dialect }),
    },
    completion,
    schema,
    schemaId: tables.length === 0 ? "none" : `user/${tables.join(",")}`,
    // The generator's own sources are not a user's to claim.
    source: source.startsWith("user") ? source : `user ${source}`,
    licence,
  };
}
