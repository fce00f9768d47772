#include "unit_bf16.h"

#if defined(__AVX512BF16__)

namespace ibert::cpu::IBERT_ISA {

namespace {

constexpr int kRows = DotUnit::kRows;

__m512bh pairs(const void* p) {
  return (__m512bh)_mm512_loadu_si512(p);
}

template <int Rows>
__attribute__((noinline)) void tile(const uint16_t* x, int64_t stride, int64_t depth, const uint16_t* panel,
                                    float* c, bool accumulate) {
  __m512 sums[Rows][2];
  for (int r = 0; r < Rows; ++r) {
    sums[r][0] = accumulate ? _mm512_loadu_ps(c + r * kPanelRows) : _mm512_setzero_ps();
    sums[r][1] = accumulate ? _mm512_loadu_ps(c + r * kPanelRows + 16) : _mm512_setzero_ps();
  }
  for (int64_t k = 0; k + 1 < depth; k += 2, panel += 2 * kPanelRows) {
    const __m512bh w0 = pairs(panel), w1 = pairs(panel + kPanelRows);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      int32_t pair;
      std::memcpy(&pair, x + r * stride + k, 4);
      const __m512bh broadcast = (__m512bh)_mm512_set1_epi32(pair);
      sums[r][0] = _mm512_dpbf16_ps(sums[r][0], broadcast, w0);
      sums[r][1] = _mm512_dpbf16_ps(sums[r][1], broadcast, w1);
    }
  }
  if (depth % 2 != 0) {  // the second of the pair is past the row's end: it may be anything, even a NaN
    const __m512bh w0 = pairs(panel), w1 = pairs(panel + kPanelRows);
    for (int r = 0; r < Rows; ++r) {
      const __m512bh broadcast = (__m512bh)_mm512_set1_epi32(x[r * stride + depth - 1]);
      sums[r][0] = _mm512_dpbf16_ps(sums[r][0], broadcast, w0);
      sums[r][1] = _mm512_dpbf16_ps(sums[r][1], broadcast, w1);
    }
  }
  for (int r = 0; r < Rows; ++r) {
    _mm512_storeu_ps(c + r * kPanelRows, sums[r][0]);
    _mm512_storeu_ps(c + r * kPanelRows + 16, sums[r][1]);
  }
}

template <int Rows = kRows>
void anyTile(int64_t rows, const uint16_t* x, int64_t stride, int64_t depth, const uint16_t* panel, float* c,
             bool accumulate) {
  if constexpr (Rows > 1) {
    if (rows < Rows) return anyTile<Rows - 1>(rows, x, stride, depth, panel, c, accumulate);
  }
  tile<Rows>(x, stride, depth, panel, c, accumulate);
}

}  // namespace

void DotUnit::multiply(int64_t rows, const Matrix& x, int64_t depth, const uint16_t* panel, float* c,
                       bool accumulate) {
  for (int64_t r = 0; r < rows; r += kRows) {
    anyTile<>(smaller(kRows, rows - r), static_cast<const uint16_t*>(x.data) + r * x.stride, x.stride, depth,
              panel, c + r * kPanelRows, accumulate);
  }
}

}  // namespace ibert::cpu::IBERT_ISA

#endif
