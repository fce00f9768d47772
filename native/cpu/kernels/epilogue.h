// From a block of f32 sums to the result tensor.
#pragma once

#include "matrix.h"

namespace ibert::cpu::IBERT_ISA {

struct Result {
  void* data;
  bool bf16;
  int64_t stride, columns;

  Result(void* to, bool half, int64_t step, int64_t width)
      : data(to), bf16(half), stride(step), columns(width) {}
  explicit Result(const Tensor& tensor)
      : data(tensor.data),
        bf16(tensor.dtype == DType::BF16),
        stride(tensor.shape[tensor.rank - 1]),
        columns(stride) {}
};

// result[row0 + r][32 p + i] = sums[r][i] + residual, which may be null, or the result itself.
IBERT_INLINE void storeSums(const Result& to, const Matrix* residual, const float* sums, int64_t row0,
                            int64_t rows, int64_t p) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int half = 0; half < 2; ++half) {
      const int64_t column = p * kPanelRows + 16 * half, count = to.columns - column;
      if (count <= 0) break;
      Floats v = load<Floats>(sums + r * kPanelRows + 16 * half);
      if (residual != nullptr) {
        v += loadElements(residual->data, residual->bf16, (row0 + r) * residual->stride + column, count);
      }
      storeElements(to.data, to.bf16, (row0 + r) * to.stride + column, count, v);
    }
  }
}

}  // namespace ibert::cpu::IBERT_ISA
