/** Structs. In the notation of `template.ts`. */
import { parseTemplates } from "./template.js";

export const STRUCTS = parseTemplates(String.raw`
ibis.struct | any | ibis.struct({"a": {x}, "b": {y}}) | other | pair | a struct a, b of {x} and {y}
ibis.struct | num | ibis.struct({"low": {x}, "high": {x} * 2})["high"] | same | high | the field high of a struct of {x} and twice it
`);
