/** Values that hang on other rows. In the notation of `template.ts`; what hangs on their order has a key to settle ties. */
import { parseTemplates } from "./template.js";

export const WINDOWS = parseTemplates(String.raw`
Column.rank | num | {x}.rank() | int | rank | the rank of {x} over all rows, the smallest first
Column.dense_rank | num | {x}.dense_rank() | int | dense | the dense rank of {x} over all rows
Column.percent_rank | num | {x}.percent_rank() | float | percent | the percent rank of {x} over all rows
Column.cume_dist | num | {x}.cume_dist() | float | cume | the cumulative distribution of {x} over all rows
Column.rank | num | {x}.rank().over(group_by={g}) | int | rank | the rank of {x} within each {g}
Column.ntile | num | {x}.ntile(4).over(order_by=[{x}, {u}]) | int | quartile | the quarter of the rows that {x} falls in, ties by {u}
ibis.ntile | num | ibis.ntile(10).over(order_by=[{x}, {u}]) | int | decile | the tenth of the rows that {x} falls in, ties by {u}
Column.nth | num | {x}.nth(1).over(group_by={g}, order_by=[{x}, {u}], rows=(None, None)) | same | second | the second smallest {x} of each {g}
Column.first | num | {x}.first().over(group_by={g}, order_by={u}) | same | first | the first {x} of each {g} by {u}
Column.last | num | {x}.last().over(group_by={g}, order_by={u}, rows=(None, None)) | same | last | the last {x} of each {g} by {u}
Column.lag Value.desc | num | {x}.lag().over(order_by={u}.desc()) | same | later | the {x} of the row after by {u}
Column.nth Value.asc Value.desc | num | {x}.nth(0).over(group_by={g}, order_by=[{x}.desc(), {u}.asc()]) | same | best | the largest {x} of each {g}
Column.first ibis.asc | num | {x}.first().over(order_by=ibis.asc({u})) | same | opening | the {x} of the first row by {u}
Column.lag | num | {x} - {x}.lag().over(order_by={u}) | same | change | how much {x} has changed since the row before by {u}
Column.lag | num | {x}.lag(2).over(order_by={u}) | same | two_before | the {x} two rows before by {u}
Column.lag | num | {x}.lag(1, 0).over(order_by={u}) | same | before | the {x} of the row before by {u}, 0 for the first
Column.lead | num | {x}.lead(1).over(group_by={g}, order_by={u}) | same | next | the next {x} of its {g} by {u}
BooleanColumn.cumany | bool | {x}.cumany(order_by={u}) | bool | so_far | whether {x} has held so far by {u}
BooleanColumn.cumall | bool | {x}.cumall(order_by={u}) | bool | always | whether {x} has always held so far by {u}
NumericColumn.mean | num | {x} - {x}.mean().over(group_by={g}) | float | from_mean | how far {x} is from the average of its {g}
NumericColumn.sum | num | {x} / {x}.sum().over(group_by={g}) | float | part | the share of {x} in the total of its {g}
Column.max | num | {x}.max().over(group_by={g}) - {x} | same | below_top | how far {x} is below the largest of its {g}
Column.count | cat | {x}.count().over(group_by={x}) | int | size | how many rows have the same {x}
Column.min | day | {x}.min().over(group_by={g}) | same | earliest | the earliest {x} of its {g}
`);
