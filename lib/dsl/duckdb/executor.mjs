/**
 * A sandbox's process that executes queries in DuckDB, on small tables of its own and nothing else.
 *
 * Its configuration is `{binding}`, the path of DuckDB's addon. The one method, `execute`, takes
 * `{tables: [{path, columns: [[name, type]], rows: [[literal]]}], queries: [sql], mostRows, milliseconds}` and answers for
 * each query `{columns: [{name, kind}], rows}` or `{error}`. Tables stay until others are asked for.
 */
import { createRequire } from "node:module";
import { clearTimeout, setTimeout } from "node:timers";
import { closeModules, closeNode } from "../sandbox/lockdown.mjs";
import { serve } from "../sandbox/protocol.mjs";
import { makeTables, openDatabase, prepare, quote, readError } from "./database.mjs";
import { judgeForm } from "./form.mjs";
import { tokens } from "./statement.mjs";
import { columnsOf, readChunk } from "./values.mjs";

/** A database takes in as many sets of tables as that before it is opened anew: what was dropped leaves its traces. */
const MOST_DATABASES = 500;
// A query over a few hundred rows spends more time in the optimizer than it saves; limits must still stop early.
const FIRST = ["PRAGMA disable_optimizer"];

let duckdb;
let connection;
let loaded = "";
let databases = 0;

async function load(tables, text) {
  if (text === loaded && connection !== undefined) return;
  if (connection === undefined || ++databases > MOST_DATABASES) {
    connection = await openDatabase(duckdb, FIRST);
    databases = 0;
  } else {
    const earlier = loaded === "" ? [] : JSON.parse(loaded);
    loaded = "";
    for (const { path } of earlier) await duckdb.query(connection, `DROP TABLE ${path.map(quote).join(".")}`);
  }
  try {
    await makeTables(duckdb, connection, tables);
    for (const { path, rows } of tables) {
      if (rows.length === 0) continue;
      const values = rows.map((row) => `(${row.join(", ")})`).join(", ");
      await duckdb.query(connection, `INSERT INTO ${path.map(quote).join(".")} VALUES ${values}`);
    }
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

async function execute(sql, mostRows, milliseconds) {
  const SELECT_STATEMENT = 1;
  const early = await judgeForm(duckdb, connection, sql);
  if (early !== undefined) return { error: `${early.error.type}: ${early.error.message}` };
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    duckdb.interrupt(connection);
  }, milliseconds);
  try {
    let prepared = await prepare(duckdb, connection, sql);
    if (duckdb.prepared_statement_type(prepared) !== SELECT_STATEMENT)
      return { error: "TypeError: not a query" };
    const columns = columnsOf(duckdb, prepared);
    let readable = columns;
    if (columns.some(({ reader }) => reader === undefined)) {
      prepared = await prepare(duckdb, connection, asText(sql, columns));
      readable = columnsOf(duckdb, prepared);
    }
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
    const { tables, queries, mostRows, milliseconds } = JSON.parse(params);
    const text = JSON.stringify(tables);
    const results = [];
    for (const sql of queries) {
      try {
        await load(tables, text);
        results.push(await execute(sql, mostRows, milliseconds));
      } catch (error) {
        results.push({ error: `the tables: ${readError(error).exception_message}` });
      }
    }
    return JSON.stringify({ result: results });
  };
});
