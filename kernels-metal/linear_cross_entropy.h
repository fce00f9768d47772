#pragma once

#include "dtypes.h"

// x: (T, D), weight: (V, D); rows [first, first + rows) at a time
struct LossParameters {
  int64_t first, rows, D, V;
  float gradScale;
  int32_t hasWeights, hasLogprob;
  int32_t x, weight, dx;  // dtypes
  // Of the kernels in tiles: a bit for each operand that begins at a multiple of sixteen bytes; sums of a
  // row; which part of the vocabulary the gradient is at.
  int32_t aligned;
  int64_t parts, begin, end;
};
IBERT_SHARED_CONSTANT int32_t kAlignedLossX = 1, kAlignedLossWeight = 2;
// Columns of logits that a threadgroup goes over, and that the gradient has in memory at a time.
IBERT_SHARED_CONSTANT int kPartColumns = 1024, kGradientColumns = 4096;
