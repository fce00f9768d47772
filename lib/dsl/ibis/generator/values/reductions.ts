/** Many rows to one; the answer hangs on no order of the rows. In the notation of `template.ts`. */
import { parseTemplates } from "./template.js";

export const REDUCTIONS_OF_COLUMNS = parseTemplates(String.raw`
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
Column.approx_nunique | cat | {x}.approx_nunique() | int | about | about how many different {x} there are
Column.median | money | {x}.median() | decimal | median | the median {x}
NumericColumn.std | reals | {x}.std(how="pop") | float | std | the standard deviation of {x} over the whole population
NumericColumn.var | reals | {x}.var(how="pop") | float | var | the variance of {x} over the whole population
NumericColumn.cov | num | {x}.cov({y}, how="pop") | float | cov | the covariance of {x} and {y} over the whole population
Column.quantile | reals | {x}.quantile([0.25, 0.75]) | other | quartiles | the first and third quartiles of {x}
Column.quantile | num | {x}.quantile(0.9) - {x}.quantile(0.1) | float | spread | how far apart the 10th and 90th percentiles of {x} are
Column.max Column.min | num | {x}.max() - {x}.min() | same | span | how far apart the largest and smallest {x} are
Column.max Column.min TimestampValue.delta | ts | {x}.max().delta({x}.min(), unit="day") | int | days | the days between the first and last {x}
Column.max Column.min DateValue.delta | date | {x}.max().delta({x}.min(), unit="day") | int | days | the days between the first and last {x}
Column.argmax | num | {y}.argmax({x}) | same | at_top | the {y} where {x} is largest
Column.nunique Column.count | cat | {x}.nunique() / {x}.count() | float | variety | the share of different ones among all {x}
Column.count | cat | {x}.count(where={x} == {v}) | int | matching | how many {x} are {v}
NumericColumn.sum | num | {x}.sum(where={x} > {v}) | same | high_total | the total of {x} where it is above {v}
NumericColumn.mean | bool | {x}.cast("int64").mean() | float | share | the share of rows where {x} holds
BooleanColumn.any | num | ({x} > {v}).any() | bool | any_above | whether any {x} is above {v}
BooleanColumn.all | num | ({x} >= {v}).all() | bool | all_above | whether all {x} are at least {v}
Value.collect ArrayValue.unique ArrayValue.length | cat | {x}.collect().unique().length() | int | kinds | how many different {x} are collected
Value.collect ArrayValue.sort | num | {x}.collect().sort() | other | all | all {x} in order
Value.collect ArrayValue.flatten ArrayValue.unique ArrayValue.length | strs | {x}.collect().flatten().unique().length() | int | kinds | how many different {x} there are over all rows
ArrayValue.length NumericColumn.sum | list | {x}.length().sum() | int | total | how many {x} there are over all rows
ArrayValue.length Column.max | list | {x}.length().max() | int | most | the most {x} that a row has
ArrayValue.contains NumericColumn.sum | strs | {x}.contains({v}).sum() | int | with_it | how many rows have {v} among the {x}
ArrayValue.sums NumericColumn.mean | ints | {x}.sums().mean() | float | average | the average sum of the {x}
MapValue.contains NumericColumn.sum | map | {x}.contains({k}).sum() | int | with_key | how many rows have {k} in the {x}
 | json | {x}[{k}].str.nunique() | int | kinds | how many different values {k} of the {x} has
 | time | {x}.min() | time | first | the earliest {x}
 | time | {x}.max() | time | last | the latest {x}
 | inst | {x}.max() | other | last | the latest {x}
 | uuid | {x}.nunique() | int | count | the number of different {x}
`);
