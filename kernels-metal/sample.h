#pragma once

#include "dtypes.h"

struct SampleParameters {
  int64_t number;  // of the op in its stream
  int64_t B, V, words;
  int32_t hasMask, hasTemperature, hasTopP, hasTopK, hasLogprob;
};

// Of a row: two numbers for each of 16 digits and 64 threads, their sums, and the digit that was found.
IBERT_SHARED_CONSTANT int64_t kWalkBytes = 8 * (64 * 2 * 16 + 2 * 16 + 1);
