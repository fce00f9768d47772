/** What can be said of a text before it is bound, and errors of DuckDB as verdicts tell them. */
import { readError } from "./database.mjs";
import { outline, positionOf, tokens } from "./statement.mjs";

const MAXIMUM_SQL = 100_000;
const QUERIES = new Set(["SELECT", "WITH", "FROM", "VALUES", "TABLE", "PIVOT", "UNPIVOT"]);
// Functions that speak of the engine and its machine, not of the tables; some reach for files only when they run.
const ENGINE_FUNCTION =
  /^(?:duckdb_\w+|pragma_\w+|current_setting|which_secret|getenv|force_checkpoint|sniff_csv|parquet_\w+)$/i;
const MISSING_NAME =
  /^(?:Referenced (?:table|column) |Table ".*" does not have a column|Values list ".*" does not have a column|Column ".*" (?:in \w+ list|referenced that exists)|Column with name .* does not exist|Could not find key |No matching columns|Ambiguous reference |Column name .* is ambiguous|.* not found in FROM clause|Catalog ".*" does not exist|column ".*" specified in USING clause|Column ".*" does not exist on)/is;

function stageOf({ exception_type: type, exception_message: message, error_subtype: subtype }) {
  if (type === "Parser" || type === "Syntax") return "parse";
  if (type === "Catalog" || subtype === "COLUMN_NOT_FOUND" || MISSING_NAME.test(message)) return "names";
  return "build";
}

export function refuse(sql, stage, type, message, byte) {
  const error = { type, message: message.slice(0, 4000) };
  if (byte !== undefined) error.position = positionOf(sql, byte);
  return { ok: false, stage, error };
}

/** The verdict of an error that `readError` read. */
export function describe(sql, found) {
  const byte = found.position === undefined ? undefined : Number(found.position);
  const name = `${found.exception_type.replaceAll(" ", "")}Exception`;
  return refuse(sql, stageOf(found), name, found.exception_message, byte);
}

async function parseError(duckdb, connection, sql) {
  const { extracted_statements: statements, statement_count: count } = await duckdb.extract_statements(
    connection,
    sql,
  );
  return count > 0 ? undefined : readError(duckdb.extract_statements_error(statements));
}

/** The verdict on a text that is not one query, or asks after the engine; undefined where it must be bound to tell. */
export async function judgeForm(duckdb, connection, sql) {
  if (sql.length > MAXIMUM_SQL) {
    const message = `the SQL has ${sql.length} characters; the limit is ${MAXIMUM_SQL}`;
    return refuse(sql, "parse", "ValueError", message);
  }
  const all = [...tokens(sql)];
  const { first, count } = outline(all);
  const error = await parseError(duckdb, connection, sql);
  if (error?.exception_type === "Parser" || error?.exception_type === "Syntax") return describe(sql, error);
  if (count !== 1) return refuse(sql, "parse", "ValueError", `the SQL holds ${count} statements, not one`);
  if (!QUERIES.has(first)) {
    return refuse(sql, "parse", "TypeError", `a query is asked for, not ${first}`);
  }
  if (error !== undefined) return describe(sql, error);
  const call = all.findIndex(
    ({ kind, text }, index) =>
      (kind === "word" || kind === "quoted") &&
      all[index + 1]?.text === "(" &&
      ENGINE_FUNCTION.test(text.replaceAll('"', "")),
  );
  if (call >= 0) {
    const { text, start } = all[call];
    const byte = Buffer.byteLength(sql.slice(0, start), "utf8");
    return refuse(
      sql,
      "build",
      "PermissionException",
      `${text}() tells of the engine, not of the tables`,
      byte,
    );
  }
  return undefined;
}
