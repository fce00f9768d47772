// The fp32 multiply-add unit: c[rows][32] (+)= x[rows][k] * panel[k][32].
//
// The product is made in register tiles: kRows x kColumns sums stay in registers over the whole depth, so
// each step costs kColumns loads of the panel and kRows broadcasts for kRows * kColumns multiply-adds, and
// memory is out of the way. A panel is laid [32 / kColumns][k][kColumns], so that one tile reads it as one
// stream.
#pragma once

#include "matrix.h"

namespace ibert::cpu::IBERT_ISA {

struct FloatUnit {
  using Element = float;
  static constexpr bool kTakesBf16 = false;  // bf16 operands are widened first
#if defined(__AVX512F__)
  static constexpr int kWidth = 16, kVectors = 2,
                       kRows = 14;  // 28 sums, 2 of the panel, 1 broadcast: 31 of 32 registers
#elif defined(__AVX2__)
  static constexpr int kWidth = 8, kVectors = 2, kRows = 6;  // 12 + 2 + 1 of 16
#elif defined(__aarch64__)
  static constexpr int kWidth = 4, kVectors = 4, kRows = 5;  // 20 + 4 of 32, and 5 for scalars of x
#else
  static constexpr int kWidth = 4, kVectors = 2, kRows = 4;  // 8 + 2 + 1 of 16
#endif
  static constexpr int kColumns = kWidth * kVectors;
  static constexpr int64_t kDepth = 384, kDeepDepth = 384;  // of a panel: 48 KiB
  static constexpr int64_t kBlockRows = kRows * (kRows > 8 ? 10 : 24), kDeepRows = kBlockRows;
  static constexpr int64_t kSumRows = kRows * 8;
  typedef float Register __attribute__((vector_size(kWidth * 4)));

  static constexpr int64_t panelElements(int64_t k) { return k * kPanelRows; }

  // Row k of a panel of `depth` rows, 16 columns from 16 * half.
  IBERT_INLINE void storeRow(float* panel, int64_t depth, int64_t k, int half, Floats v) {
    if constexpr (kColumns >= 16) {
      store(panel + (16 * half / kColumns) * depth * kColumns + k * kColumns + 16 * half % kColumns, v);
    } else {
      for (int part = 0; part < 16 / kColumns; ++part) {
        std::memcpy(panel + (16 / kColumns * half + part) * depth * kColumns + k * kColumns,
                    reinterpret_cast<const char*>(&v) + part * kColumns * 4, kColumns * 4);
      }
    }
  }

  static void begin() {}
  static void end() {}

  // c (+)= x * panel for any number of rows.
  static void multiply(int64_t rows, const Matrix& x, int64_t depth, const float* panel, float* c,
                       bool accumulate);
};

}  // namespace ibert::cpu::IBERT_ISA
