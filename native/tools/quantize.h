// Random weights in ggml's block formats, for tests.
#pragma once

#include <cstdint>

#include "random.h"
#include "tensor.h"

namespace ibert::tools {

// One row of `count` values (whole blocks) to Q8_0, Q4_0 or Q4_1, each value to its nearest level.
void quantizeRow(DType dtype, const double* values, int64_t count, uint8_t* blocks);
bool canQuantize(DType dtype);

// A block of any format whose quants and scales are random and whose values are of about the given size.
void randomBlock(DType dtype, double size, Random& random, uint8_t* block);

}  // namespace ibert::tools
