#pragma once

#include "dtypes.h"

struct SampleParameters {
  int64_t number;  // of the op in its stream
  int64_t B, V, words;
  int32_t hasMask, hasTemperature, hasTopP, hasTopK, hasLogprob;
};

// Of a row: for each thread and digit what the candidates weigh and how many there are; the same of sixteen
// threads together, and of all; what was found.
IBERT_SHARED_CONSTANT int kDrawThreads = 256, kDigits = 8, kDrawParts = 16;
IBERT_SHARED_CONSTANT int64_t kWalkBytes = 12 * kDigits * (kDrawThreads + kDrawParts + 1) + 16;
