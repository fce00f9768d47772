/**
 * Rows of literals into a table. Through the appender, which converts values as INSERT does and spares DuckDB the parsing,
 * where every literal is a plain one of a plain type; else by INSERT.
 */
import { quote } from "./database.mjs";

const PLAIN_TYPE =
  /^(?:U?(?:TINYINT|SMALLINT|INTEGER|BIGINT)|DOUBLE|FLOAT|REAL|DECIMAL\(\d+, *\d+\)|TEXT|VARCHAR|BOOLEAN|DATE|TIMESTAMP)$/;
const TEXT_TYPE = /^(?:TEXT|VARCHAR|DATE|TIMESTAMP)$/;
const NUMBER = /^-?\d{1,15}(?:\.\d{1,15})?$/;
const TEXT = /^'(?:[^'\0]|'')*'$/;

/** What the appender is given for a literal; undefined where it is to be told by INSERT. */
function plainValue(type, literal) {
  if (literal === "NULL") return null;
  if (type === "BOOLEAN") return literal === "true" ? true : literal === "false" ? false : undefined;
  if (TEXT_TYPE.test(type))
    return TEXT.test(literal) ? literal.slice(1, -1).replaceAll("''", "'") : undefined;
  return NUMBER.test(literal) ? literal : undefined;
}

/** The values of all rows, a row after the other; undefined where one of them is not plain. */
function plainValues(columns, rows) {
  if (!columns.every(([, type]) => PLAIN_TYPE.test(type))) return undefined;
  const values = [];
  // Columns draw on few literals.
  const known = columns.map(() => new Map());
  for (const row of rows) {
    for (const [i, literal] of row.entries()) {
      let value = known[i].get(literal);
      if (value === undefined) {
        value = plainValue(columns[i][1], literal);
        if (value === undefined) return undefined;
        known[i].set(literal, value);
      }
      values.push(value);
    }
  }
  return values;
}

function append(duckdb, connection, [table, schema = null], columns, values) {
  const appender = duckdb.appender_create(connection, schema, table);
  for (const [at, value] of values.entries()) {
    if (value === null) duckdb.append_null(appender);
    else if (typeof value === "boolean") duckdb.append_bool(appender, value);
    else duckdb.append_varchar(appender, value);
    if (at % columns.length === columns.length - 1) duckdb.appender_end_row(appender);
  }
  duckdb.appender_close_sync(appender);
}

/** Puts rows into an empty table. */
export async function fillTable(duckdb, connection, { path, columns }, rows) {
  if (rows.length === 0) return;
  const values = path.length > 2 ? undefined : plainValues(columns, rows);
  if (values !== undefined) {
    try {
      append(duckdb, connection, path.toReversed(), columns, values);
      return;
    } catch {
      // INSERT says what is wrong with them in words of the literals.
      await emptyTable(duckdb, connection, { path });
    }
  }
  const list = rows.map((row) => `(${row.join(", ")})`).join(", ");
  await duckdb.query(connection, `INSERT INTO ${path.map(quote).join(".")} VALUES ${list}`);
}

export async function emptyTable(duckdb, connection, { path }) {
  await duckdb.query(connection, `DELETE FROM ${path.map(quote).join(".")}`);
}
