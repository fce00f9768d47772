#pragma once

#include "heads.h"

struct AttentionParameters {
  Heads at;
  int64_t T, S;  // tokens, entries of offsets
  float scale;
  int32_t qkv, y, dy, dqkv;  // dtypes
};
