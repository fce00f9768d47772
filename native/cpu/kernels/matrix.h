// Operands of the products in this folder.
#pragma once

#include "../packed.h"
#include "sizes.h"
#include "vector.h"

namespace ibert::cpu::IBERT_ISA {

// Row-major activations, f32 or bf16.
struct Matrix {
  const void* data = nullptr;
  bool bf16 = false;
  int64_t stride = 0;  // elements from row to row

  Matrix() = default;
  Matrix(const void* from, bool half, int64_t step) : data(from), bf16(half), stride(step) {}
  // All dimensions but the last are rows.
  explicit Matrix(const Tensor& tensor)
      : data(tensor.data), bf16(tensor.dtype == DType::BF16), stride(tensor.shape[tensor.rank - 1]) {}

  Matrix at(int64_t row, int64_t column) const {
    const int64_t i = row * stride + column;
    const void* from = bf16 ? static_cast<const void*>(static_cast<const uint16_t*>(data) + i)
                            : static_cast<const void*>(static_cast<const float*>(data) + i);
    return {from, bf16, stride};
  }
};

struct PackedWeight {
  const uint8_t* data;
  DType dtype;
  int64_t rows, columns, panelBytes;

  explicit PackedWeight(const Tensor& tensor)
      : data(tensor.as<uint8_t>()),
        dtype(tensor.dtype),
        rows(tensor.shape[0]),
        columns(tensor.shape[1]),
        panelBytes(packedPanelBytes(tensor.dtype, tensor.shape[1])) {}

  int64_t panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
  const uint8_t* panel(int64_t p) const { return data + p * panelBytes; }
};

}  // namespace ibert::cpu::IBERT_ISA
