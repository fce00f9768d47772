// What the attention kernels share: where the heads of a row lie, and which keys a token sees.
#pragma once

#include "operand.h"

namespace ibert::cuda {

// A row of qkv is [q heads | k heads | v heads]; query head h reads key and value head h / (heads / kvHeads).
struct Heads {
  int64_t heads, kvHeads, D;

  __host__ __device__ int64_t columns() const { return (heads + 2 * kvHeads) * D; }
  __host__ __device__ int64_t group() const { return heads / kvHeads; }
  __device__ int64_t q(int64_t head) const { return head * D; }
  __device__ int64_t k(int64_t kvHead) const { return (heads + kvHead) * D; }
  __device__ int64_t v(int64_t kvHead) const { return (heads + kvHeads + kvHead) * D; }
};

// The packed sequence [begin, end) of token t. Whatever offsets hold, begin <= t < end <= T.
struct Span {
  int64_t begin, end;
};
__device__ __forceinline__ Span sequenceOf(const int32_t* offsets, int64_t count, int64_t t, int64_t T) {
  Span span{0, T};
  for (int64_t s = 0; s < count; ++s) {
    const int64_t at = offsets[s];
    if (at <= t && at > span.begin) span.begin = at;
    if (at > t && at < span.end) span.end = at;
  }
  return span;
}

// The highest and the sum of exponentials of some scores.
struct Softmax {
  float highest, sum;
};
__device__ __forceinline__ void add(Softmax& to, Softmax other) {
  const float highest = fmaxf(to.highest, other.highest);
  if (highest == -INFINITY) return;
  to.sum = to.sum * expf(to.highest - highest) + other.sum * expf(other.highest - highest);
  to.highest = highest;
}

// That of all threads of a block, in their order. `parts`: shared memory of one a thread; all threads call
// it, and it ends with a barrier.
__device__ __forceinline__ Softmax blockSoftmax(Softmax own, Softmax* parts) {
  parts[threadIdx.x] = own;
  __syncthreads();
  Softmax all{-INFINITY, 0};
  for (int i = 0; i < static_cast<int>(blockDim.x); ++i) add(all, parts[i]);
  __syncthreads();
  return all;
}

__device__ __forceinline__ float dot(const View& a, int64_t i, const View& b, int64_t j, int64_t count) {
  float sum = 0;
#pragma unroll 1
  for (int64_t k = 0; k < count; ++k) sum += a.value(i + k) * b.value(j + k);
  return sum;
}

}  // namespace ibert::cuda
