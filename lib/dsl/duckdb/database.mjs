/** DuckDB in a locked process: its settings, its tables, and its statements. Of the addon alone, without its package. */

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

/** A connection to a new database in memory; `first` runs before the configuration is locked. */
export async function openDatabase(duckdb, first = []) {
  const database = await duckdb.open(":memory:");
  const opened = await duckdb.connect(database);
  const statements = [...first];
  for (const [name, value] of Object.entries(SETTINGS)) statements.push(`SET ${name} = ${value}`);
  statements.push("SET lock_configuration = true");
  for (const statement of statements) await duckdb.query(opened, statement);
  return opened;
}

export const quote = (name) => `"${name.replaceAll('"', '""')}"`;

/** The type and message of an error, and what else DuckDB knows of it. */
export function readError(error) {
  const message = String(error?.message ?? error);
  const start = message.indexOf("{");
  try {
    return JSON.parse(message.slice(start));
  } catch {
    return { exception_type: "Unknown", exception_message: message };
  }
}

/** Makes tables, empty ones, and the schemas that they stand in. */
export async function makeTables(duckdb, connection, tables) {
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

/**
 * `{prepared, count}` of the one statement of `sql`. A PIVOT without its values is several (`count`), of which the earlier ones
 * make types.
 */
export async function prepare(duckdb, connection, sql) {
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
  return { prepared, count };
}
