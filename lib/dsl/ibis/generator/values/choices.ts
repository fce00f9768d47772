/** Choices, unknown values and casts. In the notation of `template.ts`. */
import { parseTemplates } from "./template.js";

export const CHOICES = parseTemplates(String.raw`
Value.cast ibis.dtype | reals | {x}.cast(ibis.dtype("string")) | str | text | {x} as text
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
BooleanValue.ifelse | bool | {x}.ifelse("yes", "no") | str | text | yes where {x} holds, else no
Value.name | num | ({x} * 2).name("twice") | same | double | twice {x}
Expr.pipe | num | {x}.pipe(lambda c: c * 100) | same | percent | {x} times 100
Value.cases | cat | {x}.cases(({v}, "main"), else_="rest") | str | class | "main" where {x} is {v}, else "rest"
ibis.cases | cat | ibis.cases(({x} == {v}, 1), ({x}.isnull(), 0), else_=2) | int | rank | 1 where {x} is {v}, 0 where it is unknown, else 2
ibis.ifelse | num | ibis.ifelse({x} > {v}, "over", "under") | str | side | "over" where {x} is above {v}, else "under"
Value.nullif Value.coalesce | num | {x}.nullif(0).coalesce({v}) | same | filled | {x}, or {v} where it is 0 or unknown
Value.fill_null | cat | {x}.fill_null({v}) | same | or_default | {x}, or {v} where it is unknown
Value.between | num | {x}.between({v}, {v} + 10) | bool | near | whether {x} is between {v} and 10 more
Value.isin | cat | {x}.isin([{v}, "other"]).ifelse("yes", "no") | str | listed | yes where {x} is {v} or other, else no
Value.try_cast Value.fill_null | str | {x}.try_cast("float64").fill_null(0) | float | value | {x} as a number, or 0 where it is none
ibis.greatest | day | ibis.greatest({x}, {y}) | same | latest | the later of {x} and {y}
ibis.least | day | ibis.least({x}, {y}) | same | earliest | the earlier of {x} and {y}
`);
