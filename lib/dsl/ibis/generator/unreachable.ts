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
    /\.convert_base$|^IntervalValue\.floordiv$/,
    "Ibis has no rule for any dialect of the corpus",
  ),
  because(true, /^IntervalValue\.nanoseconds$/, "DuckDB's intervals end at microseconds"),
  because(
    true,
    /^TimeValue\.(strftime|truncate|rsub)$/,
    "DuckDB refuses the SQL that Ibis makes of it: it has no such function of times",
  ),
  because(
    false,
    /^(Date|Timestamp)Value\.rsub$|^IntervalValue\.(radd|rsub)$/,
    "only a Python object on the left asks for it: a constant of Ibis has its own",
  ),
  because(
    true,
    /\.(arbitrary|mode|random|rowid|sample)$|^Table\.head$|^Join\.limit$/,
    "its answer hangs on chance or on the order of the rows",
  ),
  because(
    true,
    /^Expr\.(as_table|as_scalar)$/,
    "its subclasses have their own, and no expression calls this one",
  ),
  because(true, /^GroupedTable\.over$/, "it reads an attribute that its class lacks, whatever it is given"),
  because(true, /\.(sql|alias)$/, "it asks a database what its SQL gives, and a text is only compiled"),
  because(
    true,
    /\.(equals|unbind|infer_dtype|infer_schema|decompile|parse_sql)$/,
    "it gives something about an expression in Python, not a value or a table",
  ),
  because(true, /^ibis\.(param|watermark)$/, "it makes something that a program is given, not a query"),
  because(false, /\.(info|describe)$/, "its SQL is longer than a row may be"),
  because(false, /^Table\.as_table$|\.selectors\.none$/, "it changes nothing"),
  because(
    false,
    /^Table\.bind$/,
    "the check does not let a text call it: `select` takes the same without it",
  ),
];

/** For the others. */
export const NOT_CALLED = "none of these programs calls it";
