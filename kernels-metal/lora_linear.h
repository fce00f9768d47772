#pragma once

#include "dtypes.h"

// Sizes: T rows, N rows of W and K columns; P adapters of R rows of A, rank r = columns of B.
struct LinearParameters {
  int64_t T, N, K, P, R, r;
  int32_t segmentCount, slots[8];
  int64_t ends[8];
  float scale;
  int32_t hasLora, hasAdapters, hasBias, hasResidual, keepsLow;
  int32_t x, weight, A, B, residual, y, xa;  // dtypes
  int32_t dy, dx, dA, dB;
  // Of the kernels in tiles: which operands begin at multiples of sixteen bytes, a bit each; how many tiles
  // of y in a row a threadgroup makes; columns of x A^T of one slot, those of an adapter padded to eights.
  int32_t aligned, span, padded, lowColumns;
};
IBERT_SHARED_CONSTANT int32_t kAlignedX = 1, kAlignedWeight = 2, kAlignedA = 4, kAlignedB = 8,
                              kAlignedDy = 16, kAlignedXa = 32;
