#pragma once

#include "dtypes.h"

struct RowsParameters {
  int64_t count, N, D;     // elements of the target, rows of the source, columns
  int32_t source, target;  // dtypes
};
