/**
 * A sandbox's process that judges SQL by DuckDB's own binder. It executes no query: it makes empty tables, prepares the
 * text against them, and rolls back.
 *
 * Its configuration is `{binding}`, the path of DuckDB's addon. The one method, `judge`, takes
 * `{sql, tables: [{path, columns: [[name, type]]}] | null}` and answers `{ok: true}`, `{ok: false, stage, error}`, or
 * `{undecided}` with the reason why DuckDB cannot tell.
 */
import { createRequire } from "node:module";
import { closeModules, closeNode } from "../sandbox/lockdown.mjs";
import { serve } from "../sandbox/protocol.mjs";
import { outline, positionOf, tokens } from "./statement.mjs";

const MAXIMUM_SQL = 100_000;
const SETTINGS = {
  memory_limit: "'256MiB'",
  threads: "1",
  temp_directory: "''",
  autoinstall_known_extensions: "false",
  autoload_known_extensions: "false",
  allow_community_extensions: "false",
  enable_external_access: "false",
  errors_as_json: "true",
};

const QUERIES = new Set(["SELECT", "WITH", "FROM", "VALUES", "TABLE", "PIVOT", "UNPIVOT"]);
// Functions that speak of the engine and its machine, not of the tables; some reach for files only when they run.
const ENGINE_FUNCTION =
  /^(?:duckdb_\w+|pragma_\w+|current_setting|which_secret|getenv|force_checkpoint|sniff_csv|parquet_\w+)$/i;
const MISSING_NAME =
  /^(?:Referenced (?:table|column) |Table ".*" does not have a column|Values list ".*" does not have a column|Column ".*" (?:in \w+ list|referenced that exists)|Column with name .* does not exist|Could not find key |No matching columns|Ambiguous reference |Column name .* is ambiguous|.* not found in FROM clause|Catalog ".*" does not exist|column ".*" specified in USING clause|Column ".*" does not exist on)/is;

let duckdb;
let connection;

async function open() {
  const database = await duckdb.open(":memory:");
  const opened = await duckdb.connect(database);
  // Constants stay as they are written: nothing of the text is computed.
  const statements = ["PRAGMA disable_optimizer"];
  for (const [name, value] of Object.entries(SETTINGS)) statements.push(`SET ${name} = ${value}`);
  statements.push("SET lock_configuration = true");
  for (const statement of statements) await duckdb.query(opened, statement);
  return opened;
}

const quote = (name) => `"${name.replaceAll('"', '""')}"`;

function readError(error) {
  const message = String(error?.message ?? error);
  const start = message.indexOf("{");
  try {
    return JSON.parse(message.slice(start));
  } catch {
    return { exception_type: "Unknown", exception_message: message };
  }
}

function stageOf({ exception_type: type, exception_message: message, error_subtype: subtype }) {
  if (type === "Parser" || type === "Syntax") return "parse";
  if (type === "Catalog" || subtype === "COLUMN_NOT_FOUND" || MISSING_NAME.test(message)) return "names";
  return "build";
}

function refuse(sql, stage, type, message, byte) {
  const error = { type, message: message.slice(0, 4000) };
  if (byte !== undefined) error.position = positionOf(sql, byte);
  return { ok: false, stage, error };
}

function describe(sql, found) {
  const byte = found.position === undefined ? undefined : Number(found.position);
  const name = `${found.exception_type.replaceAll(" ", "")}Exception`;
  return refuse(sql, stageOf(found), name, found.exception_message, byte);
}

const isUnavailable = ({ exception_message: message }) => /exists in the \w+ extension/.test(message);
const isUnknownTable = ({ exception_type, error_subtype, type }) =>
  exception_type === "Catalog" && error_subtype === "MISSING_ENTRY" && type === "Table";

async function makeTables(tables) {
  const schemas = new Set();
  for (const { path, columns } of tables) {
    const [schema] = path.length > 1 ? path : [];
    if (schema !== undefined && !schemas.has(schema)) {
      schemas.add(schema);
      await duckdb.query(connection, `CREATE SCHEMA IF NOT EXISTS ${quote(schema)}`);
    }
    const list = columns.map(([name, type]) => `${quote(name)} ${type}`).join(", ");
    await duckdb.query(connection, `CREATE TABLE ${path.map(quote).join(".")} (${list})`);
  }
}

/** Binds the one statement of `sql`. A PIVOT without its values is several, of which the earlier ones make types. */
async function bind(sql) {
  const { extracted_statements: statements, statement_count: count } = await duckdb.extract_statements(
    connection,
    sql,
  );
  if (count === 0) throw new Error(duckdb.extract_statements_error(statements));
  let prepared;
  for (let index = 0; index < count; index++) {
    prepared = await duckdb.prepare_extracted_statement(connection, statements, index);
    if (index < count - 1) await duckdb.execute_prepared(prepared);
  }
  return duckdb.prepared_statement_type(prepared);
}

async function parseError(sql) {
  const { extracted_statements: statements, statement_count: count } = await duckdb.extract_statements(
    connection,
    sql,
  );
  return count > 0 ? undefined : readError(duckdb.extract_statements_error(statements));
}

/** What can be said before anything is bound. */
async function judgeForm(sql) {
  if (sql.length > MAXIMUM_SQL) {
    const message = `the SQL has ${sql.length} characters; the limit is ${MAXIMUM_SQL}`;
    return refuse(sql, "parse", "ValueError", message);
  }
  const { first, count } = outline(sql);
  const error = await parseError(sql);
  if (error?.exception_type === "Parser" || error?.exception_type === "Syntax") return describe(sql, error);
  if (count !== 1) return refuse(sql, "parse", "ValueError", `the SQL holds ${count} statements, not one`);
  if (!QUERIES.has(first)) {
    return refuse(sql, "parse", "TypeError", `a query is asked for, not ${first}`);
  }
  if (error !== undefined) return describe(sql, error);
  const all = [...tokens(sql)];
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

async function judge({ sql, tables }) {
  connection ??= await open();
  const early = await judgeForm(sql);
  if (early !== undefined) return early;
  await duckdb.query(connection, "BEGIN TRANSACTION");
  try {
    try {
      await makeTables(tables ?? []);
    } catch (error) {
      return { undecided: readError(error).exception_message };
    }
    const SELECT_STATEMENT = 1;
    const type = await bind(sql);
    if (type !== SELECT_STATEMENT) {
      return refuse(sql, "parse", "TypeError", "a query is asked for, not a statement that changes tables");
    }
    return { ok: true };
  } catch (error) {
    const found = readError(error);
    if (isUnavailable(found)) return { undecided: found.exception_message };
    // Without a schema, any table may be there.
    if (tables === null && isUnknownTable(found)) return { ok: true };
    if (/internal|fatal/i.test(found.exception_type)) connection = undefined;
    return describe(sql, found);
  } finally {
    if (connection !== undefined) {
      try {
        await duckdb.query(connection, "ROLLBACK");
      } catch {
        connection = undefined;
      }
    }
  }
}

serve(async ({ binding }) => {
  duckdb = createRequire(import.meta.url)(binding);
  await closeNode();
  closeModules();
  connection = await open();
  const version = duckdb.library_version();
  return async (method, params) => {
    if (method === "version") return JSON.stringify({ result: { version } });
    return JSON.stringify({ result: await judge(JSON.parse(params)) });
  };
});
