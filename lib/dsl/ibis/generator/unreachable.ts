/**
 * Why the generator's programs do not call a member of the API: the first that fits. `barred` where no program of a
 * corpus could. Of what Ibis calls deprecated its own documentation says so; that is no line of this table.
 */
export interface Unreachable {
  members: RegExp;
  reason: string;
  barred: boolean;
}

const because = (barred: boolean, members: RegExp, reason: string): Unreachable => ({
  members,
  reason,
  barred,
});

export const UNREACHABLE: readonly Unreachable[] = [
  because(
    true,
    /^StringValue\.(authority|file|fragment|host|path|protocol|query|userinfo)$/,
    "Ibis has no rule for DuckDB: it does not take addresses apart there",
  ),
  because(true, /\.(hashbytes|convert_base)$|^IntervalValue\.floordiv$/, "Ibis has no rule for DuckDB"),
  because(true, /^IntervalValue\.nanoseconds$/, "DuckDB's intervals end at microseconds"),
  because(
    true,
    /^TimeValue\.(strftime|truncate|rsub)$/,
    "DuckDB refuses the SQL that Ibis makes of it: it has no such function of times",
  ),
  because(
    true,
    /^(Date|Timestamp)Value\.rsub$|^IntervalValue\.(radd|rsub)$/,
    "only a Python object on the left asks for it: a constant of Ibis has its own",
  ),
  because(
    true,
    /\.(arbitrary|mode|random|now|today|rowid|sample)$|^Table\.head$/,
    "its answer hangs on chance, on the clock or on the order of the rows",
  ),
  because(
    true,
    /\.(type|columns|schema|names|types|fields|get_name|equals|dtype|infer_dtype|infer_schema|decompile|parse_sql|to_sql|unbind)$/,
    "it gives something about an expression in Python, not a value or a table",
  ),
  because(true, /^ibis\.(param|watermark|table)$/, "it makes something that a program is given, not a query"),
  because(false, /\.(info|describe)$/, "it sums up a table in a form of its own"),
  because(false, /^BooleanValue\.negate$/, "its documentation advises `~`, which is written as the operator"),
  because(
    false,
    /\.(as_table|as_scalar)$|^Column\.(topk|value_counts)$|^StructValue\.lift$/,
    "it turns a column into a table: programs begin with the table",
  ),
  because(false, /^Join\./, "programs go on from a join with other steps"),
];

/** For the others. */
export const NO_TEMPLATE = "the generator has no template for it yet";
