// ggml's block formats, as the GGUF specification lays them out.
#pragma once

#include <cstdint>

#include "tensor.h"

namespace ibert::reference {

// Dequantises one block to `values` (32 elements, 256 for the K formats). Exact: every product fits in
// float64.
void dequantizeBlock(DType dtype, const uint8_t* block, double* values);

}  // namespace ibert::reference
