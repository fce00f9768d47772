/** Arrays: those of columns, and those made of texts and numbers. In the notation of `template.ts`. */
import { parseTemplates } from "./template.js";

export const ARRAYS = parseTemplates(String.raw`
StringValue.re_split ArrayValue.length | str | {x}.re_split("\W+").length() | int | words | the number of words in {x}
ibis.array ArrayValue.maxs | num | ibis.array([{x}, {y}]).maxs() | same | top | the largest of {x} and {y}
ibis.array ArrayValue.mins | num | ibis.array([{x}, {y}]).mins() | same | bottom | the smallest of {x} and {y}
ibis.array ArrayValue.sums | num | ibis.array([{x}, {y}]).sums() | same | sum | the sum of {x} and {y}
ibis.array ArrayValue.means | reals | ibis.array([{x}, {y}]).means() | float | mean | the mean of {x} and {y}
ibis.array ArrayValue.sort ArrayValue.index | num | ibis.array([{x}, {y}]).sort().index({x}) | int | place | the place of {x} among {x} and {y} in order
ibis.array ArrayValue.alls | bool | ibis.array([{x}, ~{x}]).alls() | bool | all | whether both {x} and its opposite hold
ibis.array ArrayValue.anys | bool | ibis.array([{x}, ~{x}]).anys() | bool | any | whether {x} or its opposite holds
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
ArrayValue.length | list | {x}.length() | int | count | how many {x} there are
 | strs | {x}[0] | str | first | the first of the {x}
 | ints | {x}[0] | int | first | the first of the {x}
 | list | {x}[:2] | same | first_two | the first two {x}
ArrayValue.contains | strs | {x}.contains({v}) | bool | has | whether {v} is among the {x}
ArrayValue.index | strs | {x}.index({v}) | int | place | the place of {v} among the {x}
ArrayValue.unnest | strs | {x}.unnest() | str | item | each of the {x} in a row of its own
ArrayValue.unnest | ints | {x}.unnest() | int | item | each of the {x} in a row of its own
ArrayValue.sort | list | {x}.sort() | same | sorted | the {x} in order
ArrayValue.unique ArrayValue.length | list | {x}.unique().length() | int | kinds | how many different {x} there are
ArrayValue.unique ArrayValue.sort | list | {x}.unique().sort() | same | distinct | the different {x} in order
ArrayValue.join | strs | {x}.join(", ") | str | text | the {x} in one text, with commas between
ArrayValue.sort ArrayValue.join | strs | {x}.sort().join("|") | str | text | the {x} in order in one text, with bars between
ArrayValue.remove | strs | {x}.remove({v}) | same | others | the {x} without {v}
ArrayValue.concat | strs | {x}.concat([{v}]) | same | longer | the {x} and {v} behind them
ArrayValue.repeat ArrayValue.length | list | {x}.repeat(2).length() | int | twice | the length of the {x} written twice
ArrayValue.union ArrayValue.length | strs | {x}.union([{v}]).length() | int | union | how many different {x} there are together with {v}
ArrayValue.intersect ArrayValue.length | strs | {x}.intersect([{v}, "other"]).length() | int | common | how many of {v} and other are among the {x}
ArrayValue.map | strs | {x}.map(lambda item: item.upper()) | same | upper | the {x} in upper case
ArrayValue.map ArrayValue.sums | strs | {x}.map(lambda item: item.length()).sums() | int | letters | how many letters the {x} have between them
ArrayValue.filter | strs | {x}.filter(lambda item: item != {v}) | same | others | the {x} that are not {v}
ArrayValue.filter ArrayValue.length | strs | {x}.filter(lambda item: item.length() > {n}).length() | int | long | how many of the {x} have more than {n} letters
ArrayValue.zip | strs | {x}.zip({x}.map(lambda item: item.length())) | other | pairs | the {x} each with its length
ArrayValue.flatten ibis.array | list | ibis.array([{x}, {x}]).flatten() | same | doubled | the {x} twice in a row
ArrayValue.filter ArrayValue.length | ints | {x}.filter(lambda item: item > {v}).length() | int | above | how many of the {x} are above {v}
ArrayValue.map | ints | {x}.map(lambda item: item * 2) | same | double | the {x} doubled
ArrayValue.filter | ints | {x}.filter(lambda item: item > {v}) | same | high | the {x} above {v}
ArrayValue.sums | ints | {x}.sums() | int | total | the sum of the {x}
ArrayValue.means | ints | {x}.means() | float | average | the average of the {x}
ArrayValue.maxs | ints | {x}.maxs() | int | highest | the largest of the {x}
ArrayValue.mins | ints | {x}.mins() | int | lowest | the smallest of the {x}
ArrayValue.maxs ArrayValue.mins | ints | {x}.maxs() - {x}.mins() | int | spread | how far apart the largest and smallest of the {x} are
ArrayValue.contains | ints | {x}.contains({v}) | bool | has | whether {v} is among the {x}
ArrayValue.map ArrayValue.anys | ints | {x}.map(lambda item: item > {v}).anys() | bool | any_above | whether any of the {x} is above {v}
ArrayValue.map ArrayValue.alls | ints | {x}.map(lambda item: item > {v}).alls() | bool | all_above | whether all of the {x} are above {v}
ArrayValue.map | ints | {x}.map(lambda item, place: item * place) | same | weighted | the {x} each times its place
ibis.array ArrayValue.modes | num | ibis.array([{x}, {x}, {y}]).modes() | same | usual | the most common of {x} twice and {y} once
ibis.range ArrayValue.sums | count | lambda t: ibis.range(0, t[{c}].clip(0, 20), 1).sums() | int | series | the sum of the numbers from 0 to below {x}, at most 20
ibis.range ArrayValue.length | count | lambda t: ibis.range(t[{c}].clip(0, 20)).length() | int | steps | how many numbers there are from 0 to below {x}, at most 20
`);
