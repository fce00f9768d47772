// A case cut down to some of its rows: the tokens (T) of an op, or the texts (B) that are sampled.
#pragma once

#include "case.h"
#include "schema.h"

namespace ibert::tools {

// Whether the operand has one row for each of the op's.
bool goesByRow(Op op, const Field& field);
// -1 for an op without rows.
int64_t rowsOf(const Case& test);
// Bytes of a row of an operand that goes by row and has some.
int64_t rowBytes(const Tensor& tensor);
// The case with rows [first, first + count); it points into the memory of `test`.
Case rowsFrom(const Case& test, int64_t first, int64_t count);

}  // namespace ibert::tools
