/** Maps of texts to texts. In the notation of `template.ts`. */
import { parseTemplates } from "./template.js";

export const MAPS = parseTemplates(String.raw`
 | map | {x}[{k}] | str | value | {k} in the {x}
MapValue.get | map | {x}.get({k}, "none") | str | value | {k} in the {x}, or none where it is not there
MapValue.contains | map | {x}.contains({k}) | bool | has | whether the {x} have {k}
MapValue.length | map | {x}.length() | int | size | how many entries the {x} have
MapValue.keys ArrayValue.sort | map | {x}.keys().sort() | strs | keys | the keys of the {x} in order
MapValue.values ArrayValue.sort ArrayValue.join | map | {x}.values().sort().join(", ") | str | text | the values of the {x} in order in one text
MapValue.keys ArrayValue.length | map | {x}.keys().length() | int | keys | how many keys the {x} have
MapValue.get StringValue.upper | map | {x}.get({k}, "none").upper() | str | value | {k} in the {x} in upper case, or none
`);
