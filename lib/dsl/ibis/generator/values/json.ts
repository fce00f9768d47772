/** Documents. In the notation of `template.ts`. */
import { parseTemplates } from "./template.js";

export const DOCUMENTS = parseTemplates(String.raw`
JSONValue.str | json | {x}[{k}].str | str | text | {k} of the {x} as text
JSONValue.int | json | {x}[{k}].int | int | number | {k} of the {x} as a whole number
JSONValue.unwrap_as | json | {x}[{k}].unwrap_as("string") | str | text | {k} of the {x} as text
JSONValue.map MapValue.length | json | {x}.map.length() | int | keys | how many keys the {x} has
JSONValue.map MapValue.contains | json | {x}.map.contains({k}) | bool | has | whether the {x} has {k}
JSONValue.map MapValue.keys ArrayValue.sort | json | {x}.map.keys().sort() | strs | keys | the keys of the {x} in order
JSONValue.array ArrayValue.length | json | {x}["items"].array.length().fill_null(0) | int | items | how many items the {x} has
JSONValue.float | json | {x}[{k}].float | float | number | {k} of the {x} as a number
JSONValue.bool | json | {x}[{k}].bool.fill_null(False) | bool | flag | whether {k} of the {x} is true
Value.cast | json | {x}[{k}].cast("string") | str | raw | {k} of the {x} as it is written
`);
