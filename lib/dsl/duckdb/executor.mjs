/**
 * A sandbox's process that executes queries in DuckDB, on small tables of its own and nothing else.
 *
 * Its configuration is `{binding}`, the path of DuckDB's addon. The one method, `execute`, takes
 * `{tables: [{path, columns: [[name, type]]}], databases: [[rows of a table: [[literal]]]], queries: [sql], mostRows,
 * milliseconds}` and answers for each database, for each query, `{columns: [{name, kind}], rows}` or `{error}`. Tables of one
 * database stay until others are asked for.
 */
import { createRequire } from "node:module";
import { clearTimeout, setTimeout } from "node:timers";
import { closeModules, closeNode } from "../sandbox/lockdown.mjs";
import { serve } from "../sandbox/protocol.mjs";
import { makeTables, openDatabase, prepare, quote, readError } from "./database.mjs";
import { judgeForm } from "./form.mjs";
import { emptyTable, fillTable } from "./rows.mjs";
import { tokens } from "./statement.mjs";
import { columnsOf, readChunk } from "./values.mjs";

/** A database takes in as many sets of tables as that before it is opened anew: what was dropped leaves its traces. */
const MOST_DATABASES = 500;
// A query over a few hundred rows spends more time in the optimizer than it saves; limits must still stop early.
const FIRST = ["PRAGMA disable_optimizer"];

let duckdb;
let connection;
/** Tables that are there, and the text of them and of their rows where those were the first. */
let present = [];
let loaded = "";
let databases = 0;
/** What was prepared of each query of a request. */
const statements = new Map();

async function makeEmpty(tables) {
  if (connection === undefined || ++databases > MOST_DATABASES) {
    connection = await openDatabase(duckdb, FIRST);
    databases = 0;
  } else {
    for (const { path } of present) await duckdb.query(connection, `DROP TABLE ${path.map(quote).join(".")}`);
  }
  present = [];
  await makeTables(duckdb, connection, tables);
  present = tables;
}

/** Brings the tables and their rows in; `isNext` where they are there with other rows. */
async function load(tables, rows, text, isNext) {
  if (connection !== undefined && text === loaded) return;
  loaded = "";
  try {
    if (isNext && connection !== undefined) {
      for (const table of tables) await emptyTable(duckdb, connection, table);
    } else {
      statements.clear();
      await makeEmpty(tables);
    }
    for (const [i, table] of tables.entries()) await fillTable(duckdb, connection, table, rows[i]);
  } catch (error) {
    connection = undefined;
    throw error;
  }
  loaded = text;
}

/** The query with columns of unusual types as text. */
function asText(sql, columns) {
  const end = [...tokens(sql)].findLast(({ text }) => text !== ";");
  const bare = sql.slice(0, end.start + end.text.length);
  const list = columns.map(({ reader }, i) =>
    reader === undefined ? `CAST(#${i + 1} AS VARCHAR)` : `#${i + 1}`,
  );
  return `SELECT ${list.join(", ")} FROM (${bare}\n)`;
}

async function fetch(prepared, columns, mostRows) {
  const result = await duckdb.execute_prepared_streaming(prepared);
  const readers = columns.map(({ reader }) => reader);
  const rows = [];
  for (;;) {
    const chunk = await duckdb.fetch_chunk(result);
    if (chunk === null || chunk === undefined || duckdb.data_chunk_get_size(chunk) === 0) return rows;
    if (rows.length + duckdb.data_chunk_get_size(chunk) > mostRows)
      throw new Error(`more than ${mostRows} rows`);
    readChunk(duckdb, chunk, readers, rows);
  }
}

const SELECT_STATEMENT = 1;

/** `{prepared, columns, readable}` of a query, or `{error}`. */
async function statementOf(sql) {
  const early = await judgeForm(duckdb, connection, sql);
  if (early !== undefined) return { error: `${early.error.type}: ${early.error.message}` };
  let { prepared, count } = await prepare(duckdb, connection, sql);
  if (duckdb.prepared_statement_type(prepared) !== SELECT_STATEMENT)
    return { error: "TypeError: not a query" };
  const columns = columnsOf(duckdb, prepared);
  let readable = columns;
  if (columns.some(({ reader }) => reader === undefined)) {
    ({ prepared, count } = await prepare(duckdb, connection, asText(sql, columns)));
    readable = columnsOf(duckdb, prepared);
  }
  const statement = { prepared, columns, readable };
  // The types that the earlier of several statements make hang on the rows.
  if (count === 1) statements.set(sql, statement);
  return statement;
}

async function execute(sql, mostRows, milliseconds) {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    duckdb.interrupt(connection);
  }, milliseconds);
  try {
    const { prepared, columns, readable, error } = statements.get(sql) ?? (await statementOf(sql));
    if (error !== undefined) return { error };
    const rows = await fetch(prepared, readable, mostRows);
    return { columns: columns.map(({ name }, i) => ({ name, kind: readable[i].reader.kind })), rows };
  } catch (error) {
    if (late) return { error: `TimeoutError: it took longer than ${milliseconds} ms` };
    const found = readError(error);
    if (/internal|fatal/i.test(found.exception_type)) connection = undefined;
    return { error: `${found.exception_type}: ${found.exception_message}`.slice(0, 500) };
  } finally {
    clearTimeout(timer);
  }
}

serve(async ({ binding }) => {
  duckdb = createRequire(import.meta.url)(binding);
  await closeNode();
  closeModules();
  connection = await openDatabase(duckdb, FIRST);
  return async (_method, params) => {
    const { tables, databases: sets, queries, mostRows, milliseconds } = JSON.parse(params);
    const results = sets.map(() => []);
    statements.clear();
    for (const [i, rows] of sets.entries()) {
      const text = JSON.stringify([tables, rows]);
      let isNext = i > 0;
      for (const sql of queries) {
        try {
          await load(tables, rows, text, isNext);
          isNext = true;
          results[i].push(await execute(sql, mostRows, milliseconds));
        } catch (error) {
          results[i].push({ error: `the tables: ${readError(error).exception_message}` });
        }
      }
    }
    // What comes after rows that were deleted may be scanned in other pieces.
    if (sets.length > 1) loaded = "";
    return JSON.stringify({ result: results });
  };
});
