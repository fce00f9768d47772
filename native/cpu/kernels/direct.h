// x W^T for a few rows of x, straight from the packed bits: the product of generation.
//
// With one row there is nothing to share a dequantised panel with, so codes become numbers in registers and meet x at
// once; the time is that of reading W. Each row's arithmetic is the same whatever rows go with it, so that a sequence
// gets the same bits alone and in a batch.
#pragma once

#include "units.h"

namespace ibert::cpu::IBERT_ISA {

// Up to here the direct product is faster than a panel in scratch.
constexpr int64_t kDirectRows = 16;

// Whether W can be multiplied directly for this many rows. Weights that are not quantised have panels without work.
IBERT_INLINE bool multipliesDirectly(const Tensor& weight, int64_t rows) {
  return rows <= kDirectRows && packedFormat(weight.dtype).bits != 0;
}

// Bytes that `directRows` needs for (rows, K).
template <class Unit>
constexpr int64_t directBytes(int64_t rows, int64_t columns) {
  return rows * columns * (Unit::kTakesBf16 ? 2 : 4) + rows * (columns / 16) * 4;
}

// x as the unit takes it, and the sums of 16 neighbours, which the constant part M of the weights multiplies.
template <class Unit>
struct DirectRows {
  const typename Unit::Element* x;  // [rows][K]
  const float* sums;                // [rows][K / 16]
  int64_t rows, columns;
};
template <class Unit>
DirectRows<Unit> directRows(const Matrix& x, int64_t rows, int64_t columns, void* memory);

// sums[row][32] = x W^T for panel p.
template <class Unit>
void multiplyDirect(const DirectRows<Unit>& x, const PackedWeight& w, int64_t p, float* sums);

}  // namespace ibert::cpu::IBERT_ISA
