// What the attention kernels share: where the heads of a row lie, and the softmax over keys.
#pragma once

#include "dtypes.h"

// A row of qkv is [q heads | k heads | v heads]; query head h reads key and value head h / (heads / kvHeads).
struct Heads {
  int64_t heads, kvHeads, D;
};
