#pragma once

#include "heads.h"

// kCache, vCache: (B, kvHeads, W, D)
struct PagedParameters {
  Heads at;
  int64_t T, B, W;
  int64_t S, M;  // of the block table
  float scale;
  int32_t qkv, kCache, vCache, y;  // dtypes
};
