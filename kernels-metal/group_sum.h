// What the threads of a threadgroup find together.
#pragma once

#include "grid.h"

// The sum over the threads, in their order, for all of them. `partial`: a float a thread; it ends with a
// barrier.
inline float groupSum(float value, threadgroup float* partial, uint index, uint threads) {
  partial[index] = value;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float sum = 0;
  for (uint i = 0; i < threads; ++i) sum += partial[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return sum;
}
inline float groupHighest(float value, threadgroup float* partial, uint index, uint threads) {
  partial[index] = value;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float highest = partial[0];
  for (uint i = 1; i < threads; ++i) highest = metal::fmax(highest, partial[i]);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return highest;
}
constant constexpr int64_t kNoPlace = 0x7fffffffffffffff;
// The lowest of the first `threads`, for all; where a thread found nothing it has kNoPlace.
inline int64_t groupFirst(int64_t value, threadgroup int64_t* partial, uint index, uint threads) {
  if (index < threads) partial[index] = value;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  int64_t first = partial[0];
  for (uint i = 1; i < threads; ++i) first = partial[i] < first ? partial[i] : first;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return first;
}
