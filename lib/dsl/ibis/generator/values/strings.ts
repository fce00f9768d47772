/** Texts. In the notation of `template.ts`. */
import { parseTemplates } from "./template.js";

export const STRINGS = parseTemplates(String.raw`
StringValue.ascii_str | str | {x}.ascii_str() | int | code | the code of the first letter of {x}
StringValue.concat | str | {x}.concat("-", {x}.upper()) | str | joined | {x}, a dash and {x} in upper case
StringValue.hexdigest | str | {x}.hexdigest("sha256") | str | sha | the SHA-256 of {x} in hexadecimal
StringValue.find_in_set | str | {x}.find_in_set(["a", "b"]) | int | place | the position of {x} in the list of a and b
StringValue.levenshtein | str | {x}.levenshtein("alpha") | int | edits | how many edits {x} is away from alpha
StringValue.re_extract | str | {x}.re_extract("(\w)\w*$", 1) | str | initial | the first letter of the last word of {x}
StringValue.re_replace | str | {x}.re_replace("\s+", "_") | str | slug | {x} with every gap replaced by an underscore
StringValue.re_search | str | {x}.re_search("^[a-m]") | bool | early | whether {x} starts with a letter from a to m
StringValue.rlike | str | {x}.rlike("\d$") | bool | numbered | whether {x} ends in a digit
StringValue.rpad | str | {x}.rpad({n}, ".") | str | padded | {x} padded on the right to {n} with dots
StringValue.translate | str | {x}.translate("ae", "43") | str | leet | {x} with a written as 4 and e as 3
StringValue.ilike | str | {x}.ilike("%A%") | bool | with_a | whether {x} has an a in either case
StringValue.strip | str | {x}.strip() | str | clean | {x} without white space around it
StringValue.lstrip | str | {x}.lstrip() | str | clean | {x} without white space before it
StringValue.rstrip | str | {x}.rstrip() | str | clean | {x} without white space behind it
StringValue.strip StringValue.lower | str | {x}.strip().lower() | str | key | {x} trimmed and in lower case
StringValue.join | str | {x}.join(["(", ")"]) | str | bracketed | {x} in brackets
StringValue.substr StringValue.upper | str | {x}.substr(0, 1).upper() | str | initial | the first letter of {x} in upper case
StringValue.concat ibis.literal | str | {x}.concat(ibis.literal(" (old)")) | str | label | {x} with " (old)" behind it
StringValue.length StringValue.replace | str | {x}.length() - {x}.replace("a", "").length() | int | letters_a | how many letters a {x} has
StringValue.lower StringValue.contains | str | {x}.lower().contains({piece}) | bool | has | whether {x} contains {piece} in either case
ibis.map MapValue.get | cat | lambda t: ibis.map({{v}: 1}).get(t[{c}], 0) | int | code | 1 for {v} and 0 for any other {x}, looked up in a map
`);
