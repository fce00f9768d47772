// Checks of what operands contain: shared by the kernels, compiled once for all instruction sets.
#pragma once

#include <cstdint>

#include "../tensor.h"

namespace ibert::cpu {

// Throws std::runtime_error naming the op, the tensor, the place and the value when an element of the i32
// tensor is not in [low, high).
void checkIndices(const char* op, const char* name, const Tensor& tensor, int64_t low, int64_t high);

// Throws unless offsets ascend from 0 to `tokens`.
void checkOffsets(const char* op, const Tensor& offsets, int64_t tokens);

}  // namespace ibert::cpu
