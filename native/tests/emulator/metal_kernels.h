// The Metal kernels that the emulator is tested with; each Bug is one that a person might make.
#pragma once

#include <cstdint>

#include "emulator/metal/half.h"

namespace ibert::tests {

enum class Bug {
  none,
  // multiply
  droppedBarrier,   // between the tiles' writes and their reads
  barrierOfNone,    // threadgroup_barrier(mem_flags::mem_none)
  barrierOfDevice,  // mem_device, where threadgroup memory is exchanged
  earlyOverwrite,   // no barrier before tiles are filled again
  unsetAccumulator,
  notTransposed,  // simdgroup_load
  beyondBuffer,
  tooLittleMemory,  // of the threadgroup
  // scaleRows
  divergentSum,      // simd_sum in half a simdgroup
  unwrittenPartial,  // a simdgroup that stores no sum
  earlyReturn,       // before a barrier
  doubledBarrier,    // in one simdgroup only
  mixedBarriers,     // of two kinds at once
  // swapPairs
  missingSimdgroupBarrier,
  simdgroupBarrierOfNone,
};

// Return whether no violation was found (emulator::takeViolation).
template <Bug kBug>
bool runMultiply(const half* x, const half* w, float* y, unsigned M, unsigned N, unsigned K);
template <Bug kBug>
bool runScaleRows(const float* x, float* y, unsigned rows, unsigned columns);
template <Bug kBug>
bool runSwapPairs(const float* x, float* y);
// y of 4 x `threads`: simd_shuffle_xor by 1, simd_broadcast of lane 3, simd_max, simd_sum.
bool runExchange(const float* x, float* y, unsigned threads);
inline constexpr unsigned kFunctions = 12;
// y of kFunctions x `threads`: in the order of functionsOf in metal_test.cpp.
bool runFunctions(const float* x, float* y, unsigned threads);
bool runWithMemory(float* y, unsigned bytes);

}  // namespace ibert::tests
