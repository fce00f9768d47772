// What the kernels of the paged cache share. (Kwon et al. 2023) kCache, vCache: (B, kvHeads, W, D); position
// p of a sequence is place p % W of the block that its table names for p / W.
#pragma once

#include "attention.h"

namespace ibert::cuda {

constexpr int kCodes = 32;               // elements of a q8_0 block
constexpr int kCodesBytes = 2 + kCodes;  // a scale in f16, and the codes

struct Cache {
  int64_t B, W, kvHeads, D;

  __device__ int64_t row(int64_t block, int64_t kvHead, int64_t place) const {
    return ((block * kvHeads + kvHead) * W + place) * D;
  }
};

inline Cache cacheOf(const Tensor& cache) {
  return {cache.shape[0], cache.shape[2], cache.shape[1], cache.shape[3]};
}

}  // namespace ibert::cuda
