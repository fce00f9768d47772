#pragma once

#include "dtypes.h"

struct RmsNormParameters {
  int64_t D;
  float eps;
  int32_t hasRstd, hasResidual;
  int32_t x, y, dy, dResidual, dx;  // dtypes
};
