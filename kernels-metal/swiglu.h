#pragma once

#include "dtypes.h"

struct SwigluParameters {
  int64_t count, F;                // elements of y, columns
  int32_t gateUp, y, dy, dGateUp;  // dtypes
};
