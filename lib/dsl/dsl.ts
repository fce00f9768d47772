/**
 * All that ibert asks of one dataframe DSL. Each has a folder of its own here; nothing outside it names a DSL or a
 * task, but for `declared.ts` and `registry.ts`, which list the DSLs.
 */

/** The rungs of the ladder, in order. A verdict says how far up a text came. */
export const STAGES = ["parse", "names", "build", "compile"] as const;
export type Stage = (typeof STAGES)[number];

/** Table name → column name → the DSL's type string (such as `int64`, `decimal(12, 2)`, `array<string>`). */
export type Schema = Record<string, Record<string, string>>;

/** One task of a DSL: what its rows, its share of training and its short command are called. */
export interface TaskDeclaration {
  /** As rows, configurations and `--task` write it. */
  readonly name: string;
  /** How often training draws it, relative to the DSL's other tasks. */
  readonly weight: number;
  /** Its answers go on where the prompt ends, so that only both together are a program. */
  readonly continuesPrompt?: true;
  /** `ibert <name>`: its short form of `ibert generate --task`. */
  readonly command: {
    readonly name: string;
    readonly description: string;
    /** What the help's example asks, and its options. */
    readonly prompt: string;
    readonly options?: string;
  };
}

/** 1-based line, 0-based column, as Python's `ast` counts them. */
export interface SourcePosition {
  line: number;
  column: number;
  endLine?: number;
  endColumn?: number;
}

export interface VerdictError {
  /** The real exception's class name, e.g. `AttributeError`, `SyntaxError`. */
  type: string;
  /** The real exception's message. */
  message: string;
  position?: SourcePosition;
}

export interface Verdict {
  /** The highest rung passed when `ok`, else the rung at which the text failed. */
  stage: Stage;
  ok: boolean;
  error?: VerdictError;
  /**
   * Set when the sandbox refused the text, not Python or the DSL, which might run it. `stage` is the rung at which it was
   * refused; that says nothing of the names in the text or of their use.
   */
  refused?: true;
  /** The SQL, when the text compiled. */
  sql?: string;
  /** Set when no schema was given and one was inferred from the names in the text. */
  inferredSchema?: Schema;
  /**
   * Set when a text was refused under an inferred schema and another one might let it pass: the types that were guessed
   * may be at fault, not the text.
   */
  dependsOnSchema?: true;
  /** Wall time of the check. */
  milliseconds: number;
}

export interface CheckOptions {
  /** Tables that the text may name. Without it the schema is inferred and the verdict says so. */
  schema?: Schema;
  /** SQL dialect of the compiled text (default `duckdb`). */
  dialect?: string;
  /** Kill and replace the worker after this long (default 10,000 ms). */
  timeoutMs?: number;
}

/** One text of a batch; what is absent is taken from the batch's options. */
export interface CheckItem {
  text: string;
  schema?: Schema;
  dialect?: string;
}

/** A verdict, and when the text compiled, what a corpus wants to know of its query. */
export interface Labelled extends Verdict {
  /**
   * 16 hexadecimal digits: equal for queries of one shape, whatever their names, literal values and columns that only
   * pass through.
   */
  planHash?: string;
  /** 16 hexadecimal digits: equal for queries of the same tables and columns that differ only in literals and in names they give. */
  queryHash?: string;
  /** Columns of the result, in order, with their types. A column or scalar result counts as a table of one column. */
  outputSchema?: Record<string, string>;
}

/** What judged a SQL text: the database's own binder, or a parser that knows its grammar but not all of its rules. */
export const SQL_JUDGES = ["duckdb", "sqlglot"] as const;
export type SqlJudge = (typeof SQL_JUDGES)[number];

/** SQL on the ladder: it parses, its tables, columns and functions exist, its types and groups fit. */
export interface SqlVerdict {
  ok: boolean;
  /** `compile` when `ok`, else the rung at which the text failed. */
  stage: Stage;
  judge: SqlJudge;
  error?: VerdictError;
  /**
   * The query in one normal form, when `ok`: queries of one form mean the same. It settles layout, comments, quotes,
   * and with a schema stars and the aliases of tables. Absent where the judge takes what sqlglot cannot read.
   */
  canonical?: string;
  /** The query in DuckDB's SQL, when it is of another dialect and sqlglot can say it so. */
  duckdb?: string;
}

/** One public function or method of the DSL, as its own package documents it. */
export interface ApiEntry {
  /** Where Python finds it: module, class and name, with dots between. */
  path: string;
  /** e.g. `Table` ; absent for module-level functions */
  owner?: string;
  name: string;
  /** Signature as Python prints it, without the owner. */
  signature: string;
  docstring: string;
}

/** A constant of a query, as its text has it. */
export type QueryConstant = [kind: "number" | "text", value: string];

/**
 * A query that is known to be right, in DuckDB's SQL, its neighbours, and what tables that tell them apart must hold. A
 * neighbour is what a slip makes of it: another constant, comparator, join, aggregate or order, a predicate dropped.
 */
export interface Neighbourhood {
  sql: string;
  /** The query without LIMIT and OFFSET, whose last `keys` columns are those that it sorts by. */
  ordered: string;
  keys: number;
  limit: number | null;
  offset: number;
  neighbours: { kind: string; sql: string }[];
  /** Every table of the schema as DuckDB makes it. */
  tables: { path: string[]; columns: [name: string, type: string][] }[];
  /** What a column is compared with. */
  constants: [table: string, column: string, ...constant: QueryConstant][];
  /** All constants, wherever they stand. */
  loose: QueryConstant[];
  /** Columns that are equated. */
  links: [table: string, column: string, otherTable: string, otherColumn: string][];
  /** Columns that rows are grouped by. */
  groups: [table: string, column: string][];
  /** Numbers that counts are compared with. */
  sizes: number[];
  /** So many rows its limits let through. */
  window: number;
}

/** A place in a file of Python at which a rule matched: lines and columns from 1, the end beyond the last character. */
export interface Site {
  /** What of the file the match stands for: `statement`, `function`, `docstring`, `pair`. */
  excerpt: string;
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
}

/** A program that needs nothing of the file that it was cut from. */
export interface CutProgram {
  text: string;
  /** Tables whose schemas the file itself gives. */
  given: Schema;
  /** Tables that it names and gives none. */
  free: string[];
  /** The SQL that the file says gives the same. */
  sql?: string;
  /** The function that returns it, without its documentation, and that. */
  function?: string;
  docstring?: string;
}

/** The programs of a site; or why it has none: a reason that is the same for all of its kind, and what it is here. */
export type CutSite = { programs: CutProgram[] } | { reason: string; detail: string };

/** How a query is judged. */
export interface SqlCheckOptions {
  /** Default: the DSL's own, DuckDB. */
  dialect?: string;
  schema?: Schema;
  /** Whether `canonical` and `duckdb` may be left out of the verdict (default false). */
  verdictOnly?: boolean;
  /** Whether `canonical` is wanted, which is most of the work beyond the verdict (default true). */
  canonical?: boolean;
}

/** A pool of sandboxed processes that hold the live DSL. Every call may throw `IBertError` if no worker can start. */
export interface DslEngine extends AsyncDisposable {
  /** Climb the ladder with untrusted text. Never throws for what the text does. */
  check(text: string, options?: CheckOptions): Promise<Verdict>;
  /** As `check`, for many texts: verdicts in the order of the items, with little overhead for each. */
  checkMany(items: readonly CheckItem[], options?: CheckOptions): Promise<Verdict[]>;
  /** As `check`, with the plan's hash and the result's schema. */
  label(text: string, options?: CheckOptions): Promise<Labelled>;
  /** As `checkMany`, with the plans' hashes and the results' schemas. */
  labelMany(items: readonly CheckItem[], options?: CheckOptions): Promise<Labelled[]>;
  /**
   * Judge one untrusted query, never run it, and normalise it. Without a schema any table may be there. Never throws for
   * what the text does. With `verdictOnly` it is not normalised, nor put into DuckDB's SQL: a fraction of the work.
   */
  checkSql(sql: string, options?: SqlCheckOptions): Promise<SqlVerdict>;
  /**
   * The neighbours of a query, for judging by execution; undefined for a text that is no query. Without `slips` there are
   * none, only what tables for the query must hold.
   */
  neighbours(
    sql: string,
    options: { schema: Schema; dialect?: string; slips?: boolean },
  ): Promise<Neighbourhood | undefined>;
  /** The DSL's public API with docstrings, from the installed package itself. */
  describeApi(): Promise<ApiEntry[]>;
  /** For each program the members of that API that it calls while it is built, as `owner.name`; none where it does not build. */
  membersOf(programs: readonly { text: string; schema: Schema }[]): Promise<string[][]>;
  /**
   * Cuts programs out of an untrusted file, with what of it they need, each for one of its sites. Nothing of it is run.
   * Never throws for what the file holds.
   */
  programsAt(file: string, sites: readonly Site[]): Promise<CutSite[]>;
  /** Name and version of the DSL package in the sandbox. */
  version(): Promise<{ name: string; version: string }>;
  close(): Promise<void>;
}
