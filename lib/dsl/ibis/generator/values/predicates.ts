/** Conditions on columns of types that are compared in ways of their own. In the notation of `template.ts`. */
import { parseTemplates } from "./template.js";

export const PREDICATES = parseTemplates(String.raw`
ArrayValue.contains | strs | {x}.contains({v}) | bool | has | {v} is among the {x}
ArrayValue.length | list | {x}.length() > 1 | bool | several | there is more than 1 of the {x}
ArrayValue.length | list | {x}.length() >= {n} | bool | many | there are at least {n} {x}
 | strs | {x}[0] == {v} | bool | begins | the first of the {x} is {v}
ArrayValue.maxs | ints | {x}.maxs() > {v} | bool | high | the largest of the {x} is above {v}
ArrayValue.sums | ints | {x}.sums() >= {v} | bool | enough | the {x} add up to at least {v}
ArrayValue.contains | ints | {x}.contains({v}) | bool | has | {v} is among the {x}
MapValue.contains | map | {x}.contains({k}) | bool | has | the {x} have {k}
MapValue.length | map | {x}.length() > 1 | bool | several | the {x} have more than 1 entry
JSONValue.map MapValue.contains | json | {x}.map.contains({k}) | bool | has | the {x} has {k}
 | time | {x} >= {v} | bool | from | {x} is {v} or later
 | time | {x} < {v} | bool | before | {x} is before {v}
 | time | {x}.hour() < {n} | bool | early | {x} is before {n} o'clock
 | inst | {x} >= {v} | bool | since | {x} is on or after {v}
 | inst | {x} < {v} | bool | until | {x} is before {v}
 | inst | {x}.year() == 2024 | bool | year | {x} is in 2024
 | uuid | {x} != "00000000-0000-0000-0000-000000000000" | bool | set | {x} is not the empty identifier
ibis.uuid | uuid | {x} != ibis.uuid("00000000-0000-0000-0000-000000000000") | bool | set | {x} is not the identifier of zeros
Value.notnull | odd | {x}.notnull() | bool | known | {x} is known
Value.isnull | odd | {x}.isnull() | bool | missing | {x} is missing
`);

/** Of days that are held against the present one. */
export const OF_THE_DAY = parseTemplates(String.raw`
ibis.today | date | {x} < ibis.today() | bool | past | {x} is before today
ibis.today ibis.interval DateValue.sub | date | {x} >= ibis.today() - ibis.interval(days=30) | bool | recent | {x} is within the last 30 days
ibis.now | ts | {x} < ibis.now() | bool | past | {x} is in the past
ibis.now ibis.interval TimestampValue.sub | ts | {x} >= ibis.now() - ibis.interval(days=7) | bool | recent | {x} is within the last 7 days
`);
