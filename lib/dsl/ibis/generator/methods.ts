import type { Random } from "../../../data/random.js";
import type { Column, Kind } from "./schemas.js";

/** What an argument may be: drawn by `expressions.ts` for the column at hand. */
export type Argument =
  | "digits"
  | "length"
  | "start"
  | "piece"
  | "pattern"
  | "value"
  | "other_piece"
  | "date_unit"
  | "format"
  | "width";

/** One method of a column, as the generator uses it and as answers describe it. */
export interface MethodSpec {
  /** Class and method as the API lists them: `StringValue.upper`. */
  path: string;
  on: readonly Kind[];
  args: readonly Argument[];
  returns: Kind | "same";
  /** `{}` is the receiver; `{0}`, `{1}` are the arguments. */
  english: string;
  /** Part of the quick start's narrow profile. */
  easy?: boolean;
  /** A keyword suited to naming the result: `name_upper`. */
  suffix: string;
}

const NUMBERS: readonly Kind[] = ["int", "float", "decimal"];
const REALS: readonly Kind[] = ["int", "float"];
const DATES: readonly Kind[] = ["date", "timestamp"];
const STRINGS: readonly Kind[] = ["str"];
const ANY: readonly Kind[] = ["int", "float", "decimal", "str", "bool", "date", "timestamp"];

const method = (
  path: string,
  on: readonly Kind[],
  args: readonly Argument[],
  returns: Kind | "same",
  suffix: string,
  english: string,
  easy = false,
): MethodSpec => ({ path, on, args, returns, suffix, english, easy });

/** Row by row. */
export const SCALAR_METHODS: readonly MethodSpec[] = [
  method("StringValue.upper", STRINGS, [], "str", "upper", "{} in upper case", true),
  method("StringValue.lower", STRINGS, [], "str", "lower", "{} in lower case", true),
  method("StringValue.length", STRINGS, [], "int", "length", "the length of {}", true),
  method("StringValue.capitalize", STRINGS, [], "str", "title", "{} capitalised"),
  method("StringValue.reverse", STRINGS, [], "str", "reversed", "{} reversed"),
  method("StringValue.left", STRINGS, ["length"], "str", "head", "the first {0} characters of {}"),
  method("StringValue.right", STRINGS, ["length"], "str", "tail", "the last {0} characters of {}"),
  method(
    "StringValue.substr",
    STRINGS,
    ["start", "length"],
    "str",
    "part",
    "{1} characters of {} from position {0}",
  ),
  method(
    "StringValue.replace",
    STRINGS,
    ["piece", "other_piece"],
    "str",
    "fixed",
    "{} with {0} replaced by {1}",
  ),
  method("StringValue.repeat", STRINGS, ["digits"], "str", "repeated", "{} repeated {0} times"),
  method("StringValue.find", STRINGS, ["piece"], "int", "at", "the position of {0} in {}"),
  method(
    "StringValue.lpad",
    STRINGS,
    ["width", "piece"],
    "str",
    "padded",
    "{} padded on the left to {0} with {1}",
  ),
  method("NumericValue.abs", NUMBERS, [], "same", "abs", "the absolute value of {}", true),
  method(
    "NumericValue.round",
    ["float", "decimal"],
    ["digits"],
    "same",
    "rounded",
    "{} rounded to {0} digits",
    true,
  ),
  method("NumericValue.ceil", ["float"], [], "int", "ceil", "{} rounded up"),
  method("NumericValue.floor", ["float"], [], "int", "floor", "{} rounded down"),
  method("NumericValue.sqrt", REALS, [], "float", "sqrt", "the square root of {}"),
  method("NumericValue.ln", REALS, [], "float", "ln", "the natural logarithm of {}"),
  method("NumericValue.exp", REALS, [], "float", "exp", "e to the power of {}"),
  method("NumericValue.sign", REALS, [], "same", "sign", "the sign of {}"),
  method("NumericValue.negate", REALS, [], "same", "negative", "{} negated"),
  method("DateValue.year", DATES, [], "int", "year", "the year of {}", true),
  method("DateValue.month", DATES, [], "int", "month", "the month of {}", true),
  method("DateValue.day", DATES, [], "int", "day", "the day of {}", true),
  method("DateValue.quarter", DATES, [], "int", "quarter", "the quarter of {}"),
  method("DateValue.day_of_year", DATES, [], "int", "day_of_year", "the day of the year of {}"),
  method("DateValue.week_of_year", DATES, [], "int", "week", "the week of {}"),
  method("DateValue.truncate", DATES, ["date_unit"], "same", "start", "{} truncated to the {0}"),
  method("DateValue.strftime", DATES, ["format"], "str", "text", "{} formatted as {0}"),
  method("TimestampValue.hour", ["timestamp"], [], "int", "hour", "the hour of {}", true),
  method("TimestampValue.minute", ["timestamp"], [], "int", "minute", "the minute of {}"),
  method("TimestampValue.date", ["timestamp"], [], "date", "date", "the date of {}"),
  method(
    "Value.fill_null",
    ["int", "float", "str"],
    ["value"],
    "same",
    "filled",
    "{} with nulls as {0}",
    true,
  ),
  method("Value.nullif", ["int", "float", "str"], ["value"], "same", "known", "{} with {0} as null"),
];

/**
 * Only for answers about the method: programs leave them out, because Ibis prints the white space that they trim, line
 * breaks and all, into the SQL.
 */
export const TRIM_METHODS: readonly MethodSpec[] = [
  method("StringValue.strip", STRINGS, [], "str", "clean", "{} without spaces at its ends"),
  method("StringValue.lstrip", STRINGS, [], "str", "clean", "{} without spaces at its start"),
  method("StringValue.rstrip", STRINGS, [], "str", "clean", "{} without spaces at its end"),
];

/** Row by row, giving a condition. */
export const PREDICATE_METHODS: readonly MethodSpec[] = [
  method("StringValue.contains", STRINGS, ["piece"], "bool", "has", "{} contains {0}", true),
  method("StringValue.startswith", STRINGS, ["piece"], "bool", "starts", "{} starts with {0}", true),
  method("StringValue.endswith", STRINGS, ["piece"], "bool", "ends", "{} ends with {0}", true),
  method("StringValue.like", STRINGS, ["pattern"], "bool", "like", "{} is like {0}"),
  method("Value.isnull", ANY, [], "bool", "missing", "{} is null", true),
  method("Value.notnull", ANY, [], "bool", "known", "{} is not null", true),
];

/** Many rows to one. */
export const REDUCTIONS: readonly MethodSpec[] = [
  method("NumericColumn.sum", NUMBERS, [], "same", "total", "the total {}", true),
  method("NumericColumn.mean", NUMBERS, [], "float", "avg", "the average {}", true),
  method("Column.max", [...NUMBERS, ...DATES], [], "same", "max", "the largest {}", true),
  method("Column.min", [...NUMBERS, ...DATES], [], "same", "min", "the smallest {}", true),
  method("Column.nunique", ["str", "int", "date"], [], "int", "unique", "the number of different {}", true),
  method("Column.count", ANY, [], "int", "count", "the number of {} that are not null"),
  method("NumericColumn.std", REALS, [], "float", "std", "the standard deviation of {}"),
  method("NumericColumn.var", REALS, [], "float", "var", "the variance of {}"),
  method("Column.median", REALS, [], "float", "median", "the median {}"),
  method("Column.first", ["str"], [], "same", "first", "the first {}"),
  method("Column.mode", ["str", "int"], [], "same", "mode", "the most common {}"),
  method(
    "Column.approx_nunique",
    ["str", "int"],
    [],
    "int",
    "approx",
    "about how many different {} there are",
  ),
  method("StringColumn.group_concat", STRINGS, [], "str", "list", "all {} joined by commas"),
  method("BooleanColumn.any", ["bool"], [], "bool", "any", "whether any row is {}"),
  method("BooleanColumn.all", ["bool"], [], "bool", "all", "whether all rows are {}"),
];

/** Over an ordered window. */
export const ANALYTICS: readonly MethodSpec[] = [
  method("Column.lag", NUMBERS, [], "same", "prev", "the previous {}"),
  method("Column.lead", NUMBERS, [], "same", "next", "the next {}"),
  method("Column.cummax", NUMBERS, [], "same", "cummax", "the running maximum of {}"),
  method("Column.cummin", NUMBERS, [], "same", "cummin", "the running minimum of {}"),
  method("NumericColumn.cumsum", NUMBERS, [], "same", "cumsum", "the running total of {}"),
  method("NumericColumn.cummean", REALS, [], "float", "cummean", "the running average of {}"),
];

export const RANKINGS: readonly (readonly [name: string, suffix: string, english: string])[] = [
  ["row_number", "row", "the row number"],
  ["rank", "rank", "the rank"],
  ["dense_rank", "dense", "the dense rank"],
  ["percent_rank", "percent", "the percent rank"],
  ["cume_dist", "cume", "the cumulative distribution"],
];

export const DATE_UNITS: Readonly<Record<string, string>> = {
  Y: "year",
  Q: "quarter",
  M: "month",
  W: "week",
  D: "day",
};

/** Methods that are about NULL: of what never is NULL they say nothing. */
const NULL_METHODS: readonly string[] = ["isnull", "notnull", "fill_null"];

/** Methods of `specs` that make sense of such a column. */
export function methodsFor(
  specs: readonly MethodSpec[],
  { kind, neverNull = false }: Pick<Column, "kind" | "neverNull">,
  easyOnly: boolean,
): MethodSpec[] {
  return specs.filter(
    (spec) =>
      spec.on.includes(kind) &&
      (!easyOnly || spec.easy === true) &&
      !(neverNull && NULL_METHODS.includes(methodName(spec))),
  );
}

export const methodName = (spec: MethodSpec): string => spec.path.slice(spec.path.indexOf(".") + 1);

/** One method that suits the column, or undefined when there is none. */
export function pickMethod(
  random: Random,
  specs: readonly MethodSpec[],
  column: Pick<Column, "kind" | "neverNull">,
  easyOnly: boolean,
): MethodSpec | undefined {
  const found = methodsFor(specs, column, easyOnly);
  return found.length > 0 ? random.pick(found) : undefined;
}
