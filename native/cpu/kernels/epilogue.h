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

// What is added to a block of sums on its way out. The residual may be the result itself.
struct Addends {
  Matrix residual;              // no data: none
  const float* bias = nullptr;  // one a column
};

// result[row0 + r][32 p + i] = sums[r][i] + residual + bias.
IBERT_INLINE void storeSums(const Result& to, const Addends& add, const float* sums, int64_t row0,
                            int64_t rows, int64_t p) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int half = 0; half < 2; ++half) {
      const int64_t column = p * kPanelRows + 16 * half, count = to.columns - column;
      if (count <= 0) break;
      Floats v = load<Floats>(sums + r * kPanelRows + 16 * half);
      if (add.bias != nullptr) v += loadElements(add.bias, false, column, count);
      if (add.residual.data != nullptr) {
        v += loadElements(add.residual.data, add.residual.bf16, (row0 + r) * add.residual.stride + column,
                          count);
      }
      storeElements(to.data, to.bf16, (row0 + r) * to.stride + column, count, v);
    }
  }
}

}  // namespace ibert::cpu::IBERT_ISA
