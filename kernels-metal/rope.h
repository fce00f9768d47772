#pragma once

#include "dtypes.h"

struct RopeTableParameters {
  int64_t count, half;  // pairs
  float magnitude;
};

struct RopeParameters {
  int64_t count, C, heads, qHeads, D;  // pairs, columns of x
  float sign;                          // -1 rotates back
  int32_t x;                           // dtype
};
