/** Which names of columns Python lets stand where: behind a dot, as a keyword argument, or only in a string. */

const KEYWORDS = new Set(
  `False None True and as assert async await break class continue def del elif else except finally for from global if
  import in is lambda nonlocal not or pass raise return try while with yield`.split(/\s+/),
);

/**
 * What a table has itself, so that `t.count` is not the column; a deferred `_` is asked for the same names, and has one of
 * its own. A test holds the list against the live API.
 */
const TABLE_ATTRIBUTES = new Set(
  `agg aggregate alias anti_join any_inner_join any_left_join as_scalar as_table asof_join bind cache cast columns compile
  count cross_join describe difference distinct drop drop_null dropna equals execute fill_null fillna filter get_backend
  get_name group_by head info inner_join intersect join left_join limit mutate nunique op order_by outer_join pipe
  pivot_longer pivot_wider preview projection relocate rename right_join rowid sample schema select semi_join sql to_array
  to_csv to_delta to_json to_pandas to_pandas_batches to_parquet to_parquet_dir to_polars to_pyarrow to_pyarrow_batches
  to_sql to_torch to_xlsx topk try_cast unbind union unnest unpack value_counts view visualize window_by
  resolve`.split(/\s+/),
);

/** Methods whose keyword arguments are new columns, and the keywords that are not. */
const COLUMN_MAKERS = new Set(["mutate", "agg", "aggregate", "select", "rename", "group_by"]);
const PARAMETERS = new Set(["self", "by", "having"]);

/** Letters as Python keeps them: others may be normalised to another name. */
const isIdentifier = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !KEYWORDS.has(name);

/** Whether `t.name` is the column: an identifier that the table does not have itself. */
export const isAttribute = (name: string): boolean =>
  isIdentifier(name) && !name.startsWith("_") && !TABLE_ATTRIBUTES.has(name);

/** Whether `method(name=…)` can be written; else it is `mutate(**{"name": …})`. */
export const isKeyword = (method: string, name: string): boolean =>
  !COLUMN_MAKERS.has(method) || (isIdentifier(name) && !PARAMETERS.has(name));

/** Whether a table of that name is a variable of a program. */
export const isVariable = (name: string): boolean => isIdentifier(name) && name !== "_" && name !== "ibis";
