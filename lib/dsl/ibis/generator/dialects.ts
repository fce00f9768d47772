/** Dialects of SQL in rows of the full profile; the quick start keeps to DuckDB's. */
export const DIALECTS = [
  [10, "duckdb"],
  [3, "postgres"],
  [2, "bigquery"],
  [2, "snowflake"],
  [2, "mysql"],
  [1, "sqlite"],
  [1, "trino"],
  [1, "clickhouse"],
  [1, "mssql"],
  [1, "databricks"],
] as const;
