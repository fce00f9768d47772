// x W^T for a few rows of x, straight from the packed bits: the product of generation.
//
// With one row there is nothing to share a dequantised panel with, so codes become numbers in registers and
// meet x at once; the time is that of reading W. Each row's arithmetic is the same whatever rows go with it,
// so that a sequence gets the same bits alone and in a batch, and so do the guesses of speculative decoding
// that are checked together.
#pragma once

#include "../../ops.h"
#include "units.h"

namespace ibert::cpu::IBERT_ISA {

// Whether W is multiplied directly: in a step of generation, where that is faster than a panel in scratch.
// Units of bf16 take panels of bf16 where they lie, which costs no more.
IBERT_INLINE bool multipliesDirectly(const Tensor& weight, bool bf16, int64_t rows) {
  const bool panels = bf16 && UnitForBf16::kTakesBf16;
  return rows <= kExactRows && (packedFormat(weight.dtype).bits != 0 || !panels);
}

// Neighbouring columns of a quantised weight that share D and M.
constexpr int64_t columnsOfScale(DType dtype) {
  return packedFormat(dtype).scales == ScaleKind::Super16 ? 16 : 32;
}

// Bytes that `directRows` needs for (rows, K).
template <class Unit>
constexpr int64_t directBytes(int64_t rows, int64_t columns) {
  return roundUp(rows * columns * (Unit::kTakesBf16 ? 2 : 4), 64) + rows * ceilDivide(columns, 16) * 4;
}

// x as the unit takes it, and for quantised weights the sums of the columns that share a scale, which the
// constant part M of the weights multiplies.
template <class Unit>
struct DirectRows {
  const typename Unit::Element* x;  // [rows][K]
  const float* sums;                // [rows][K / columnsOfScale]
  int64_t rows, columns;
};
template <class Unit>
DirectRows<Unit> directRows(const Matrix& x, int64_t rows, const PackedWeight& w, void* memory);

// sums[row][32] = x W^T for panel p. Only units of f32 take weights that are not quantised.
template <class Unit>
void multiplyDirect(const DirectRows<Unit>& x, const PackedWeight& w, int64_t p, float* sums);

}  // namespace ibert::cpu::IBERT_ISA
