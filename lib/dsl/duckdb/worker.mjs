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
import { makeTables, openDatabase, prepare, readError } from "./database.mjs";
import { describe, judgeForm, refuse } from "./form.mjs";

// Constants stay as they are written: nothing of the text is computed.
const FIRST = ["PRAGMA disable_optimizer"];

let duckdb;
let connection;

const isUnavailable = ({ exception_message: message }) => /exists in the \w+ extension/.test(message);
const isUnknownTable = ({ exception_type, error_subtype, type }) =>
  exception_type === "Catalog" && error_subtype === "MISSING_ENTRY" && type === "Table";

async function judge({ sql, tables }) {
  connection ??= await openDatabase(duckdb, FIRST);
  const early = await judgeForm(duckdb, connection, sql);
  if (early !== undefined) return early;
  await duckdb.query(connection, "BEGIN TRANSACTION");
  try {
    try {
      await makeTables(duckdb, connection, tables ?? []);
    } catch (error) {
      return { undecided: readError(error).exception_message };
    }
    const SELECT_STATEMENT = 1;
    const { prepared } = await prepare(duckdb, connection, sql);
    if (duckdb.prepared_statement_type(prepared) !== SELECT_STATEMENT) {
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
  connection = await openDatabase(duckdb, FIRST);
  const version = duckdb.library_version();
  return async (method, params) => {
    if (method === "version") return JSON.stringify({ result: { version } });
    return JSON.stringify({ result: await judge(JSON.parse(params)) });
  };
});
