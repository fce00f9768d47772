// The bf16 dot-product unit of AVX-512: c[rows][32] (+)= x[rows][k] * panel[k/2][32][2], f32 sums.
//
// vdpbf16ps multiplies pairs along k and adds both products to one f32 lane, so it does twice the work of an
// fp32 multiply-add, and bf16 rows of x are read where they are: one 32-bit broadcast is a pair. The tile of
// 14 x 32 keeps 28 sums in registers; a pair step is 2 loads of the panel and 14 broadcasts for 28
// instructions of work.
#pragma once

#include "matrix.h"

#if defined(__AVX512BF16__)

namespace ibert::cpu::IBERT_ISA {

struct DotUnit {
  using Element = uint16_t;
  static constexpr bool kTakesBf16 = true;
  static constexpr int kRows = 14;
  static constexpr int64_t kDepth = 2048, kDeepDepth = 1024;  // of a panel: 128 and 64 KiB
  static constexpr int64_t kBlockRows = 32 * kRows, kDeepRows = 16 * kRows;
  static constexpr int64_t kSumRows = 8 * kRows;

  static constexpr int64_t panelElements(int64_t k) { return (k + 1) / 2 * (2 * kPanelRows); }

  static void begin() {}
  static void end() {}

  // c (+)= x * panel for any number of rows.
  static void multiply(int64_t rows, const Matrix& x, int64_t depth, const uint16_t* panel, float* c,
                       bool accumulate);
};

}  // namespace ibert::cpu::IBERT_ISA

#endif
