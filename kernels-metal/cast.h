#pragma once

#include "dtypes.h"

struct CastParameters {
  int64_t count;
  int32_t source, target;  // dtypes
};
