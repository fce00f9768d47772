#pragma once

#include "dtypes.h"

// x: (T, D), weight: (V, D); rows [first, first + rows) at a time
struct LossParameters {
  int64_t first, rows, D, V;
  float gradScale;
  int32_t hasWeights, hasLogprob;
  int32_t x, weight, dx;  // dtypes
};
