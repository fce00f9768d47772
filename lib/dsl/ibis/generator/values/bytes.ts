/** Bytes and identifiers. In the notation of `template.ts`. */
import { parseTemplates } from "./template.js";

export const BYTES = parseTemplates(String.raw`
Value.cast | bytes | {x}.cast("string") | str | text | {x} as text
Value.cast StringValue.length | bytes | {x}.cast("string").length() | int | size | how long {x} is as text
Value.isnull | bytes | {x}.isnull() | bool | missing | whether {x} is missing
Value.cast | uuid | {x}.cast("string") | str | text | {x} as text
Value.cast StringValue.left | uuid | {x}.cast("string").left(8) | str | short | the first eight characters of {x}
Value.notnull | uuid | {x}.notnull() | bool | known | whether {x} is known
`);
