import type { Labelled, Schema, Site } from "../dsl/dsl.js";
import type { OwnTables } from "./own-tables.js";
import type { Row, TaskType } from "./tasks.js";

/** A row before it has a split and a number. */
export interface Candidate extends Omit<Row, "id" | "split"> {
  /** Two candidates of a task with one key are near-duplicates: one query but for its literals, or the same answer. */
  duplicateKey: string;
}

/** What the DSL's compiler says of a row that a corpus holds. */
export interface RowAudit {
  /** What `shape` must be; absent where nothing that the row holds has one. */
  shape?: string;
  /** `duplicateKey` of the candidate that the row was; absent where its program does not compile. */
  duplicateKey?: string;
  /** What else the row says that is not so. */
  faults: string[];
}

/** A row that somebody wrote, before any gate. */
export type WrittenRow = Omit<Row, "id" | "split" | "shape">;

/** What becomes of a place in a file: rows without where they are from, and why it gives no more. */
export interface MadeOfSite {
  rows: Omit<WrittenRow, "source" | "licence" | "provenance">[];
  /** A reason is the same for all of its kind; the detail is what it is here. */
  refused: { reason: string; detail: string }[];
}

/** Makes rows of the places in a file at which rules matched, in their order. A program that came before gives none. */
export type MakeRows = (file: string, sites: readonly Site[]) => Promise<MadeOfSite[]>;

/**
 * Whether two queries in DuckDB's SQL give the same rows, on databases made for the first; why it cannot be told, as a
 * text, where it cannot.
 */
export type GiveTheSame = (
  known: string,
  other: string,
  schema: Schema,
) => Promise<{ equal: boolean; runs: boolean; reason?: string } | string>;

/** What executing queries shows of them: which give the first one's rows, and whether that one gives any. */
export interface Execution {
  /** For each of the others, whether it gives what the known query gives. */
  equal: boolean[];
  /** Whether what the known query gives hangs on what the tables hold: no row at all is told as false. */
  tells: boolean;
}

/**
 * Executes a query and others that are said to be the same, in DuckDB's SQL, on databases made for the first; a text
 * where the first does not run.
 */
export type ExecuteAll = (
  known: string,
  others: readonly string[],
  schema: Schema,
) => Promise<Execution | string>;

/**
 * The gates for rows that somebody wrote: their programs compile, their SQL is accepted and gives what their programs
 * give, what is said to fail does. Draws are in the order of the rows.
 */
export type AdmitRows = (rows: readonly WrittenRow[], same?: GiveTheSame) => Promise<Draw[]>;

/** The audits of rows, in their order. */
export type AuditRows = (rows: readonly Row[]) => Promise<RowAudit[]>;

/** A row that the compiler (or a source's own rule) turned down. */
export interface Refusal {
  task: TaskType;
  reason: string;
  text: string;
}

export type Draw = { candidate: Candidate } | { refusal: Refusal };

/** Asks the compiler; many calls that are waiting at once travel together. */
export type Labeller = (text: string, schema: Schema, dialect?: string) => Promise<Labelled>;

/**
 * Where rows come from. The same arguments give the same draw, whatever was drawn before, so a corpus can be built by
 * several workers at once and still be the same bytes.
 */
export interface RowSource {
  /** Changes whenever the same arguments would give other rows. */
  readonly version: string;
  /** What was made of the user's tables, a line each. */
  readonly remarks?: readonly string[];
  draw(task: TaskType, index: number, options: { heldOutSchema: boolean; label: Labeller }): Promise<Draw>;
}

/** What rows of a corpus are to come of. */
export interface SourceOptions {
  seed: number;
  profile: string;
  /** Shows of queries that they are the same, and that they give rows. */
  execute?: ExecuteAll;
  /** Tables of the user's own, and the share of programs that are over them. */
  own?: { tables: OwnTables; share: number };
}
