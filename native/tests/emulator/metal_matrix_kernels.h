// Kernels of one simdgroup around Metal's matrices, and the ways to misuse them.
#pragma once

#include "emulator/metal/bfloat.h"
#include "emulator/metal/half.h"

namespace ibert::tests {

enum class MatrixBug {
  none,
  loadByHalf,      // simdgroup_load in half a simdgroup
  storeByHalf,     // simdgroup_store likewise
  multiplyByHalf,  // simdgroup_multiply likewise
  placeByLane,     // lanes that load from different addresses
  misaligned,      // by a byte
  unsetOperand,    // a factor that nobody loaded
  beyondTile,      // a load of what lies behind threadgroup memory
  unorderedStore,  // a store that is read without a barrier
  overlappingStore,
};

// y (2, 8, 8) of x, w (8, 8): x w, and the transposed sum of that and x^T w. Of `threads` threads. Returns
// whether no violation was found.
template <class T, MatrixBug kBug>
bool runMatrices(const T* x, const T* w, float* y, unsigned threads);

}  // namespace ibert::tests
