#pragma once

#include "dtypes.h"

// As frame::Rule counts them.
IBERT_SHARED_CONSTANT int32_t kRangeRule = 0, kOffsetsRule = 1, kBlocksRule = 2, kWithinRule = 3;

// One rule of an op, of one of its tensors.
struct RuleParameters {
  int64_t number;  // of the op in its stream
  int32_t rule, field;
  int64_t count, low, high;
  float least, most;
  // Of kBlocksRule: rows, and entries of the table for each sequence, positions of a block.
  int64_t rows, width, places;
};

struct FiniteParameters {
  int64_t number, count;
  int32_t field, isWide;  // of four bytes, not two
};
