#pragma once

#include "dtypes.h"

struct NormParameters {
  int64_t P, chunks;
};

struct AdamWParameters {
  int64_t P;
  float gradScale, maxNorm, beta1, rest1, beta2, rest2, stepSize, rootCorrection2, eps, decay;
};

// Elements whose squares one threadgroup sums. It is fixed, and so is the order of all sums.
IBERT_SHARED_CONSTANT int64_t kNormChunk = 16384;
// Of a sum of squares: three ranges of sizes, each the sum of two numbers.
IBERT_SHARED_CONSTANT int64_t kNormFloats = 6;
