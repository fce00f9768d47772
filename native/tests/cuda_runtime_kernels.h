// Kernels that the test of the emulated runtime launches.
#pragma once

#include "emulator/runtime/runtime.h"

namespace ibert::tests {

// Adds one to `count` words.
cudaError_t addOne(cudaStream_t stream, int* words, int count);
// Writes behind `words`, which has `count`.
cudaError_t writeBehind(cudaStream_t stream, int* words, int count);

}  // namespace ibert::tests
