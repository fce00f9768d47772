// The lowest of the places that the threads of a block found.
#pragma once

#include <cstdint>

#include "device.h"

namespace ibert::cuda {

inline constexpr int kFirstThreads = 256;
inline constexpr size_t kFirstShared = kFirstThreads * sizeof(int64_t);
inline constexpr int64_t kNone = INT64_MAX;

// For all threads. `memory`: kFirstShared bytes of shared memory.
__device__ __forceinline__ int64_t firstOfBlock(int64_t mine, char* memory) {
  auto* places = reinterpret_cast<int64_t*>(memory);
  places[threadIdx.x] = mine;
  __syncthreads();
  for (unsigned half = kFirstThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half && places[threadIdx.x + half] < places[threadIdx.x])
      places[threadIdx.x] = places[threadIdx.x + half];
    __syncthreads();
  }
  const int64_t first = places[0];
  __syncthreads();
  return first;
}

}  // namespace ibert::cuda
