// ggml's block formats, as the GGUF specification lays them out.
#pragma once

#include <cstdint>

#include "tensor.h"

namespace ibert::reference {

// Dequantises one block to `values` (32 elements, 256 for the K formats). Exact: every product fits in
// float64.
void dequantizeBlock(DType dtype, const uint8_t* block, double* values);

// One block of 32 values, as kvCacheWrite stores them.
void quantizeQ8_0(const double* values, uint8_t* block);

}  // namespace ibert::reference
