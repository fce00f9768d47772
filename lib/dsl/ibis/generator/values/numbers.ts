/** Numbers: arithmetic, logarithms, angles, bins and bits. In the notation of `template.ts`. */
import { parseTemplates } from "./template.js";

export const NUMBERS = parseTemplates(String.raw`
NumericValue.atan | reals | {x}.atan() | float | atan | the arc tangent of {x}
NumericValue.atan2 | reals | {x}.atan2({y}) | float | angle | the angle of {x} over {y}
NumericValue.cos | reals | {x}.cos() | float | cos | the cosine of {x}
NumericValue.cot | reals | ({x}.abs() + 1).cot() | float | cot | the cotangent of one more than the size of {x}
NumericValue.sin | reals | {x}.sin() | float | sin | the sine of {x}
NumericValue.tan | reals | {x}.tan() | float | tan | the tangent of {x}
NumericValue.degrees | real | {x}.degrees() | float | degrees | {x} from radians to degrees
NumericValue.radians | real | {x}.radians() | float | radians | {x} from degrees to radians
NumericValue.clip | num | {x}.clip(lower=0, upper={v}) | same | clipped | {x} kept between 0 and {v}
NumericValue.add | num | {x}.add({y}) | same | sum | the sum of {x} and {y}
NumericValue.sub | num | {x}.sub({y}) | same | gap | {x} less {y}
NumericValue.mul | num | {x}.mul({n}) | same | times | {n} times {x}
NumericValue.div | num | {x}.div({n}) | float | share | {x} divided by {n}
NumericValue.floordiv | num | {x} // {n} | int | whole | {x} divided by {n} without the rest
NumericValue.mod | int | {x}.mod({n}) | int | rest | what is left of {x} divided by {n}
NumericValue.pow | reals | {x} ** 2 | float | squared | {x} squared
NumericValue.rsub | num | 1 - {x} | same | complement | 1 less {x}
NumericValue.rdiv | real | 1 / {x} | float | inverse | 1 divided by {x}
NumericValue.radd | num | 1 + {x} | same | next | 1 more than {x}
NumericValue.rmul | num | 2 * {x} | same | double | twice {x}
NumericColumn.bucket | num | {x}.bucket([0, 10, 100]) | int | bucket | the bucket of {x} between 0, 10 and 100
NumericColumn.histogram | num | {x}.histogram(nbins=10) | int | bin | the bin of {x} among ten of equal width
FloatingValue.isnan | real | {x}.isnan() | bool | nan | whether {x} is not a number
FloatingValue.isinf | real | {x}.isinf() | bool | inf | whether {x} is infinite
NumericValue.acos NumericValue.sign | reals | {x}.sign().acos() | float | acos | the arc cosine of the sign of {x}
NumericValue.asin NumericValue.sign | reals | {x}.sign().asin() | float | asin | the arc sine of the sign of {x}
NumericValue.log NumericValue.abs | reals | ({x}.abs() + 1).log(2) | float | log | the logarithm to base 2 of one more than the size of {x}
NumericValue.log2 NumericValue.abs | reals | ({x}.abs() + 1).log2() | float | log2 | the binary logarithm of one more than the size of {x}
NumericValue.log10 NumericValue.abs | reals | ({x}.abs() + 1).log10() | float | log10 | the decimal logarithm of one more than the size of {x}
NumericValue.deg2rad | real | {x}.deg2rad() | float | radians | {x} degrees in radians
NumericValue.rad2deg | real | {x}.rad2deg() | float | degrees | {x} radians in degrees
NumericValue.rfloordiv | num | 100 // ({x}.abs() + 1) | int | per_hundred | how many times one more than the size of {x} goes into 100
NumericValue.rmod | int | 100 % ({x}.abs() + 1) | int | left_over | what is left of 100 divided by one more than the size of {x}
NumericValue.rpow NumericValue.sign | reals | 2 ** {x}.sign() | float | doubling | 2 to the power of the sign of {x}
NumericValue.round NumericValue.div | num | ({x} / 10).round() * 10 | float | tens | {x} rounded to tens
NumericValue.clip | num | {x}.clip(lower={v}) | same | floored | {x} but at least {v}
NumericColumn.bucket | num | {x}.bucket([0, 10, 100], include_under=True, include_over=True) | int | bucket | the bucket of {x}: below 0, up to 10, up to 100, or above
NumericColumn.histogram | num | {x}.histogram(binwidth=5) | int | bin | the bin of {x} in steps of 5
NumericColumn.mean | num | {x} - {x}.mean() | float | deviation | how far {x} is from its average over all rows
NumericColumn.sum | num | {x} / {x}.sum() | float | part | the share of {x} in the total of all rows
NumericColumn.mean Scalar.as_scalar | num | {x} - {x}.mean().as_scalar() | float | offset | {x} less the average of the whole table
Column.max Column.min | num | ({x} - {x}.min()) / ({x}.max() - {x}.min()) | float | scaled | {x} scaled to between 0 and 1
Value.cast NumericValue.round | real | {x}.round().cast("int64") | int | whole | {x} rounded to a whole number
Value.cast | money | {x}.cast("float64") | float | as_float | {x} as a float
Value.cast | reals | {x}.cast("decimal(12, 2)") | decimal | exact | {x} as a decimal of two places
 | count | {x} & 1 | int | odd | the lowest bit of {x}
 | count | {x} | 8 | int | flagged | {x} with bit 3 set
 | count | {x} ^ 5 | int | toggled | {x} with bits 0 and 2 flipped
 | count | {x}.clip(lower=0) << 2 | int | shifted | {x}, at least 0, shifted left by two bits
 | count | {x} >> 1 | int | halved | {x} shifted right by a bit
`);
