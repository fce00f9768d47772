#include "unit_f32.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

using Register = FloatUnit::Register;
constexpr int kRows = FloatUnit::kRows, kVectors = FloatUnit::kVectors, kWidth = FloatUnit::kWidth;
constexpr int kColumns = FloatUnit::kColumns;

// From memory in one load: through a register it would be a load and a shuffle.
Register broadcast(const float* x) {
#if defined(__AVX512F__)
  return (Register)_mm512_set1_ps(*x);
#elif defined(__AVX2__)
  return (Register)_mm256_broadcast_ss(x);
#else
  return Register{} + *x;
#endif
}

template <int Rows>
__attribute__((noinline)) void tile(const float* x, int64_t stride, int64_t depth, const float* panel,
                                    float* c, bool accumulate) {
  for (int part = 0; part < kPanelRows / kColumns; ++part) {
    Register sums[Rows][kVectors];
    for (int r = 0; r < Rows; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] =
            accumulate ? load<Register>(c + r * kPanelRows + part * kColumns + v * kWidth) : Register{};
      }
    }
    const float* p = panel + part * depth * kColumns;
    for (int64_t k = 0; k < depth; ++k, p += kColumns) {
      Register w[kVectors];
      for (int v = 0; v < kVectors; ++v) w[v] = load<Register>(p + v * kWidth);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
        const Register all = broadcast(x + r * stride + k);
        for (int v = 0; v < kVectors; ++v) sums[r][v] += all * w[v];
      }
    }
    for (int r = 0; r < Rows; ++r) {
      for (int v = 0; v < kVectors; ++v) store(c + r * kPanelRows + part * kColumns + v * kWidth, sums[r][v]);
    }
  }
}

template <int Rows = kRows>
void anyTile(int64_t rows, const float* x, int64_t stride, int64_t depth, const float* panel, float* c,
             bool accumulate) {
  if constexpr (Rows > 1) {
    if (rows < Rows) return anyTile<Rows - 1>(rows, x, stride, depth, panel, c, accumulate);
  }
  tile<Rows>(x, stride, depth, panel, c, accumulate);
}

}  // namespace

void FloatUnit::multiply(int64_t rows, const Matrix& x, int64_t depth, const float* panel, float* c,
                         bool accumulate) {
  for (int64_t r = 0; r < rows; r += kRows) {
    anyTile<>(smaller(kRows, rows - r), static_cast<const float*>(x.data) + r * x.stride, x.stride, depth,
              panel, c + r * kPanelRows, accumulate);
  }
}

}  // namespace ibert::cpu::IBERT_ISA
