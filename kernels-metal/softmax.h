// Where heads lie in a row, and the softmax over keys that the threads of a threadgroup share out.
#pragma once

#include "grid.h"
#include "heads.h"
#include "operand.h"

inline int64_t columnsOf(Heads at) {
  return (at.heads + 2 * at.kvHeads) * at.D;
}
inline int64_t keyColumn(Heads at, int64_t kvHead) {
  return (at.heads + kvHead) * at.D;
}
inline int64_t valueColumn(Heads at, int64_t kvHead) {
  return (at.heads + at.kvHeads + kvHead) * at.D;
}
inline int64_t kvHeadOf(Heads at, int64_t head) {
  return head / (at.heads / at.kvHeads);
}

inline float dotOf(const device uint8_t* a, int32_t aType, int64_t i, const device uint8_t* b, int32_t bType,
                   int64_t j, int64_t count) {
  float sum = 0;
  for (int64_t k = 0; k < count; ++k) sum += valueAt(a, aType, i + k) * elementAt(b, bType, j + k);
  return sum;
}

// The highest and the sum of exponentials of some scores.
struct Softmax {
  float highest, sum;
};
constant constexpr float kLowest = -INFINITY;

inline Softmax joined(Softmax a, Softmax b) {
  const float highest = metal::fmax(a.highest, b.highest);
  if (highest == kLowest) return a;
  return {highest, a.sum * precise::exp(a.highest - highest) + b.sum * precise::exp(b.highest - highest)};
}

// That of all threads of a threadgroup of kFewThreads, in their order. `parts`: two floats a thread; it ends
// with a barrier.
inline Softmax groupSoftmax(Softmax own, threadgroup float* parts, uint index) {
  parts[2 * index] = own.highest;
  parts[2 * index + 1] = own.sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  Softmax all = {kLowest, 0};
  for (uint i = 0; i < kFewThreads; ++i) all = joined(all, Softmax{parts[2 * i], parts[2 * i + 1]});
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return all;
}
