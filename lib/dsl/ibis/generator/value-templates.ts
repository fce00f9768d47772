/**
 * Expressions over one column or two, as a table: what they call, the kind of column, the text, the kind of the result, the
 * end of its name, the words for it. `{x}` is the column, `{y}` another of its kind and role, `{n}` a small number, `{piece}`
 * a few letters; text in quotes follows the program's style. `same` as the kind of a result is that of `{x}`.
 */
import type { Kind } from "./schemas.js";

export interface ValueTemplate {
  covers: readonly string[];
  on: readonly Kind[];
  code: string;
  returns: Kind | "same";
  suffix: string;
  english: string;
}

const KINDS: Readonly<Record<string, readonly Kind[]>> = {
  str: ["str"],
  num: ["int", "float", "decimal"],
  real: ["float"],
  reals: ["int", "float"],
  int: ["int"],
  bool: ["bool"],
  date: ["date"],
  ts: ["timestamp"],
  day: ["date", "timestamp"],
  any: ["int", "float", "decimal", "str", "bool", "date", "timestamp"],
};

function parse(table: string): ValueTemplate[] {
  return table
    .trim()
    .split("\n")
    .map((line) => {
      const cells = line.split(" | ").map((cell) => cell.trim());
      const [covers = "", on = "", code = "", returns = "", suffix = "", english = ""] = cells;
      return {
        covers: covers.split(" "),
        on: KINDS[on] ?? [],
        code,
        returns: returns as Kind,
        suffix,
        english,
      };
    });
}

/** Row by row. */
export const SCALAR_TEMPLATES: readonly ValueTemplate[] = parse(String.raw`
StringValue.ascii_str | str | {x}.ascii_str() | int | code | the code of the first letter of {x}
StringValue.concat | str | {x}.concat("-", {x}.upper()) | str | joined | {x}, a dash and {x} in upper case
StringValue.hexdigest | str | {x}.hexdigest("sha256") | str | sha | the SHA-256 of {x} in hexadecimal
StringValue.find_in_set | str | {x}.find_in_set(["a", "b"]) | int | place | the position of {x} in the list of a and b
StringValue.levenshtein | str | {x}.levenshtein("alpha") | int | edits | how many edits {x} is away from alpha
StringValue.re_extract | str | {x}.re_extract("(\w)\w*$", 1) | str | initial | the first letter of the last word of {x}
StringValue.re_replace | str | {x}.re_replace("\s+", "_") | str | slug | {x} with every gap replaced by an underscore
StringValue.re_search | str | {x}.re_search("^[a-m]") | bool | early | whether {x} starts with a letter from a to m
StringValue.rlike | str | {x}.rlike("\d$") | bool | numbered | whether {x} ends in a digit
StringValue.re_split ArrayValue.length | str | {x}.re_split("\W+").length() | int | words | the number of words in {x}
StringValue.rpad | str | {x}.rpad({n}, ".") | str | padded | {x} padded on the right to {n} with dots
StringValue.translate | str | {x}.translate("ae", "43") | str | leet | {x} with a written as 4 and e as 3
StringValue.ilike | str | {x}.ilike("%A%") | bool | with_a | whether {x} has an a in either case
Value.hash | str | {x}.hash() | int | hash | a hash of {x}
Value.typeof | any | {x}.typeof() | str | type | the type of {x}
Value.try_cast | str | {x}.try_cast("int64") | int | number | {x} as a number where it is one
Value.identical_to | any | {x}.identical_to({y}) | bool | same | whether {x} and {y} are the same, or both null
Value.coalesce | any | {x}.coalesce({y}) | same | or_other | {x}, or {y} where it is null
ibis.coalesce | any | ibis.coalesce({x}, {y}) | same | first_known | the first of {x} and {y} that is not null
Value.cases | str | {x}.cases(({v}, 1), else_=0) | int | is | 1 where {x} is {v}, else 0
Value.substitute | str | {x}.substitute({v}, "other") | same | replaced | {x} with {v} as other
ibis.greatest | num | ibis.greatest({x}, {y}) | same | most | the larger of {x} and {y}
ibis.least | num | ibis.least({x}, {y}) | same | least | the smaller of {x} and {y}
ibis.null ibis.ifelse | num | ibis.ifelse({x} == {v}, ibis.null(), {x}) | same | cleared | {x}, or null where it is {v}
ibis.and_ | num | ibis.and_({x} > {v}, {x}.notnull()) | bool | above | whether {x} is known and above {v}
ibis.or_ | num | ibis.or_({x} < {v}, {x}.isnull()) | bool | below | whether {x} is below {v} or unknown
ibis.struct | any | ibis.struct({"a": {x}, "b": {y}}) | other | pair | a struct a, b of {x} and {y}
ibis.array ArrayValue.maxs | num | ibis.array([{x}, {y}]).maxs() | same | top | the largest of {x} and {y}
ibis.array ArrayValue.mins | num | ibis.array([{x}, {y}]).mins() | same | bottom | the smallest of {x} and {y}
ibis.array ArrayValue.sums | num | ibis.array([{x}, {y}]).sums() | same | sum | the sum of {x} and {y}
ibis.array ArrayValue.means | reals | ibis.array([{x}, {y}]).means() | float | mean | the mean of {x} and {y}
ibis.array ArrayValue.sort ArrayValue.index | num | ibis.array([{x}, {y}]).sort().index({x}) | int | place | the place of {x} among {x} and {y} in order
ibis.array ArrayValue.alls | bool | ibis.array([{x}, ~{x}]).alls() | bool | all | whether both {x} and its opposite hold
ibis.array ArrayValue.anys | bool | ibis.array([{x}, ~{x}]).anys() | bool | any | whether {x} or its opposite holds
ibis.struct | num | ibis.struct({"a": {x}})["a"] | same | again | field a of a struct of {x}
StringValue.split | str | {x}.split(" ") | other | parts | the parts of {x} between spaces
StringValue.split ArrayValue.join | str | {x}.split(" ").join("-") | str | dashed | {x} with dashes for spaces
StringValue.split ArrayValue.unique | str | {x}.split("e").unique().length() | int | kinds | how many different parts {x} has between the letters e
StringValue.split ArrayValue.contains | str | {x}.split(" ").contains("new") | bool | is_new | whether new is one of the words of {x}
StringValue.split ArrayValue.concat | str | {x}.split(" ").concat(["end"]).length() | int | grown | the number of words in {x} and one more
StringValue.split ArrayValue.map | str | {x}.split(" ").map(lambda w: w.length()).maxs() | int | longest | the length of the longest word in {x}
StringValue.split ArrayValue.filter | str | {x}.split(" ").filter(lambda w: w.length() > 3).length() | int | long_words | how many words of {x} have more than three letters
StringValue.split ArrayValue.remove | str | {x}.split(" ").remove("the").length() | int | content | how many words of {x} are not the
StringValue.split ArrayValue.repeat | str | {x}.split(" ").repeat(2).length() | int | twice | twice the number of words in {x}
StringValue.split ArrayValue.union | str | {x}.split(" ").union(["a"]).length() | int | union | how many different words {x} has together with a
StringValue.split ArrayValue.intersect | str | {x}.split(" ").intersect(["a", "the"]).length() | int | articles | how many articles {x} has
StringValue.split ArrayValue.zip | str | {x}.split(" ").zip({x}.upper().split(" ")) | other | zipped | the words of {x} each beside itself in upper case
StringValue.split ArrayValue.flatten ibis.array | str | ibis.array([{x}.split(" "), ["end"]]).flatten() | other | flat | the words of {x} and end in one array
NumericValue.acos | real | ({x} / {x}).acos() | float | acos | the arc cosine of {x} over itself
NumericValue.asin | real | ({x} / {x}).asin() | float | asin | the arc sine of {x} over itself
NumericValue.atan | reals | {x}.atan() | float | atan | the arc tangent of {x}
NumericValue.atan2 | reals | {x}.atan2({y}) | float | angle | the angle of {x} over {y}
NumericValue.cos | reals | {x}.cos() | float | cos | the cosine of {x}
NumericValue.cot | reals | {x}.cot() | float | cot | the cotangent of {x}
NumericValue.sin | reals | {x}.sin() | float | sin | the sine of {x}
NumericValue.tan | reals | {x}.tan() | float | tan | the tangent of {x}
NumericValue.degrees | real | {x}.degrees() | float | degrees | {x} from radians to degrees
NumericValue.radians | real | {x}.radians() | float | radians | {x} from degrees to radians
NumericValue.clip | num | {x}.clip(lower=0, upper={v}) | same | clipped | {x} kept between 0 and {v}
NumericValue.log | reals | {x}.log(2) | float | log | the logarithm of {x} to base 2
NumericValue.log2 | reals | {x}.log2() | float | log2 | the binary logarithm of {x}
NumericValue.log10 | reals | {x}.log10() | float | log10 | the decimal logarithm of {x}
NumericValue.add | num | {x}.add({y}) | same | sum | the sum of {x} and {y}
NumericValue.sub | num | {x}.sub({y}) | same | gap | {x} less {y}
NumericValue.mul | num | {x}.mul({n}) | same | times | {n} times {x}
NumericValue.div | num | {x}.div({n}) | float | share | {x} divided by {n}
NumericValue.floordiv | num | {x} // {n} | int | whole | {x} divided by {n} without the rest
NumericValue.mod | int | {x}.mod({n}) | int | rest | what is left of {x} divided by {n}
NumericValue.pow | reals | {x} ** 2 | float | squared | {x} squared
NumericValue.rsub | num | 1 - {x} | same | complement | 1 less {x}
NumericValue.rdiv | real | 1 / {x} | float | inverse | 1 divided by {x}
NumericValue.radd | num | 1 + {x} | same | next | 1 more than {x}
NumericValue.rmul | num | 2 * {x} | same | double | twice {x}
NumericColumn.bucket | num | {x}.bucket([0, 10, 100]) | int | bucket | the bucket of {x} between 0, 10 and 100
NumericColumn.histogram | num | {x}.histogram(nbins=10) | int | bin | the bin of {x} among ten of equal width
FloatingValue.isnan | real | {x}.isnan() | bool | nan | whether {x} is not a number
FloatingValue.isinf | real | {x}.isinf() | bool | inf | whether {x} is infinite
IntegerValue.as_timestamp | int | {x}.as_timestamp("s") | timestamp | moment | {x} seconds after 1970
IntegerValue.as_interval | int | {x}.as_interval("D") | other | days | {x} as days
BooleanValue.ifelse | bool | {x}.ifelse("yes", "no") | str | text | yes where {x} holds, else no
DateValue.epoch_days | date | {x}.epoch_days() | int | days | the days from 1970 to {x}
DateValue.delta | date | {x}.delta({y}, unit="day") | int | days | the days from {y} to {x}
DateValue.delta ibis.date | date | {x}.delta(ibis.date(2024, 1, 1), unit="month") | int | months | the months from 1 January 2024 to {x}
DateValue.add ibis.interval | date | {x} + ibis.interval(days=30) | date | due | 30 days after {x}
DateValue.sub ibis.interval | date | {x} - ibis.interval(months=1) | date | month_before | a month before {x}
TimestampValue.add ibis.interval | ts | {x} + ibis.interval(hours=2) | timestamp | later | two hours after {x}
TimestampValue.sub ibis.interval | ts | {x} - ibis.interval(minutes=15) | timestamp | earlier | 15 minutes before {x}
TimestampValue.bucket | ts | {x}.bucket(hours=6) | timestamp | slot | {x} in slots of six hours
TimestampValue.delta ibis.timestamp | ts | {x}.delta(ibis.timestamp("2024-01-01 00:00:00"), unit="hour") | int | hours | the hours from the start of 2024 to {x}
TimestampValue.truncate | ts | {x}.truncate("h") | timestamp | hour | {x} truncated to the hour
TimestampValue.strftime | ts | {x}.strftime("%H:%M") | str | clock | the time of {x} as hours and minutes
StringValue.as_date | day | {x}.strftime("%d.%m.%Y").as_date("%d.%m.%Y") | date | parsed | the day of {x}, written and read again
StringValue.as_timestamp | ts | {x}.strftime("%Y-%m").as_timestamp("%Y-%m") | timestamp | month_start | the start of the month of {x}
StringValue.as_time | ts | {x}.strftime("%H:%M").as_time("%H:%M") | other | minute | the time of {x} to the minute
TimeValue.add ibis.interval | ts | {x}.time() + ibis.interval(hours=1) | other | next_hour | the time of {x} an hour on
TimeValue.sub ibis.interval | ts | {x}.time() - ibis.interval(minutes=30) | other | half_hour_before | the time of {x} half an hour before
TimeValue.delta ibis.time | ts | {x}.time().delta(ibis.time(12, 0, 0), unit="minute") | int | noon | the minutes from noon to the time of {x}
`);

/** Many rows to one; the answer hangs on no order of the rows. */
export const REDUCTION_TEMPLATES: readonly ValueTemplate[] = parse(String.raw`
Column.approx_median | reals | {x}.approx_median() | float | approx_median | about the median {x}
NumericColumn.approx_quantile | reals | {x}.approx_quantile(0.9) | float | p90 | about the 90th percentile of {x}
Column.quantile | reals | {x}.quantile(0.75) | float | p75 | the third quartile of {x}
NumericColumn.kurtosis | reals | {x}.kurtosis() | float | kurtosis | the kurtosis of {x}
NumericColumn.corr | num | {x}.corr({y}, how="pop") | float | corr | the correlation of {x} and {y}
NumericColumn.cov | num | {x}.cov({y}) | float | cov | the covariance of {x} and {y}
IntegerColumn.bit_and | int | {x}.bit_and() | int | bits_and | the bitwise and of all {x}
IntegerColumn.bit_or | int | {x}.bit_or() | int | bits_or | the bitwise or of all {x}
IntegerColumn.bit_xor | int | {x}.bit_xor() | int | bits_xor | the bitwise exclusive or of all {x}
BooleanColumn.notany | bool | {x}.notany() | bool | none | whether {x} holds nowhere
BooleanColumn.notall | bool | {x}.notall() | bool | not_all | whether {x} fails somewhere
Value.collect ArrayValue.sort | str | {x}.collect(distinct=True).sort() | other | values | the different values of {x} in order
Value.collect ArrayValue.length | str | {x}.collect().length() | int | size | how many {x} there are
Value.group_concat | str | {x}.group_concat(", ", order_by={x}) | str | list | all {x} in order, joined by commas
Column.first | num | {x}.first(order_by={x}) | same | first | the first {x} in order
Column.last | num | {x}.last(order_by={x}) | same | last | the last {x} in order
Column.argmax | num | {x}.argmax({x}) | same | top | the {x} where {x} is largest
Column.argmin | num | {x}.argmin({x}) | same | bottom | the {x} where {x} is smallest
`);
