// LoRA for a few rows that may each have an adapter of their own: scale * (x A^T) B^T of every row, by dot
// products in f32. In generation T is the number of sequences.
#pragma once

#include "../../host/kernel.h"
#include "../fail.h"
#include "act.h"
#include "segments.h"
#include "sum_each.h"

namespace ibert::cpu::IBERT_ISA {

constexpr int64_t kNoAdapter = -1, kSeveralAdapters = -2;

// The adapter of all rows (-1: none), or kSeveralAdapters.
static inline int64_t commonAdapter(const int32_t* adapterOfRow, int64_t rows) {
  int64_t common = rows > 0 ? adapterOfRow[0] : -1;
  for (int64_t t = 0; t < rows; ++t) {
    if (adapterOfRow[t] != common) common = kSeveralAdapters;
  }
  return common;
}

// A core reads B in as many streams as there are adapters, which is more than hardware foresees: `ahead` is
// what this stream needs soon.
template <class T>
inline void fetch(const T* ahead, int64_t count) {
  for (int64_t i = 0; i < count; i += 64 / static_cast<int64_t>(sizeof(T))) __builtin_prefetch(ahead + i);
}

// Products of x and w, in kWidth sums.
template <class X, class W>
inline Vec dotRow(const X* x, const W* w, int64_t count) {
  Vec sums[4] = {broadcast(0.0f), broadcast(0.0f), broadcast(0.0f), broadcast(0.0f)};
  int64_t k = 0;
  for (; k + 4 * kWidth <= count; k += 4 * kWidth) {
    for (int i = 0; i < 4; ++i) sums[i] = fma(load(x + k + i * kWidth), load(w + k + i * kWidth), sums[i]);
  }
  for (; k < count; k += kWidth)
    sums[0] = fma(loadPart(x + k, count - k), loadPart(w + k, count - k), sums[0]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

#if defined(__AVX512BF16__) && !defined(IBERT_LEVEL_generic)
// bf16 by bf16: pairs are multiplied exactly and added in f32.
inline Vec dotRow(const Bf16* x, const Bf16* w, int64_t count) {
  constexpr int64_t kPairs = 32;
  __m512 sums[4] = {};
  const auto pairs = [](const Bf16* p) { return (__m512bh)_mm512_loadu_si512(p); };
  int64_t k = 0;
  for (; k + 4 * kPairs <= count; k += 4 * kPairs) {
    for (int i = 0; i < 4; ++i) {
      const int64_t at = k + i * kPairs;
      sums[i] = _mm512_dpbf16_ps(sums[i], pairs(x + at), pairs(w + at));
    }
  }
  for (; k < count; k += kPairs) {
    const auto lanes = static_cast<__mmask32>(count - k >= kPairs ? ~0u : (1u << (count - k)) - 1);
    sums[0] = _mm512_dpbf16_ps(sums[0], (__m512bh)_mm512_maskz_loadu_epi16(lanes, x + k),
                               (__m512bh)_mm512_maskz_loadu_epi16(lanes, w + k));
  }
  return {_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3]))};
}
#endif

// What is added to the product of W, row by row: computed in two steps, x A^T for all rows and then, panel by
// panel, the product with B.
class RowLora {
 public:
  // Bytes that it needs for x A^T (T, R).
  static constexpr int64_t bytes(int64_t T, int64_t R) { return T * R * 4; }

  // Computes x A^T, and writes it to xa too where it is asked for.
  RowLora(const LoraLinearForward& op, host::Context& context, float* memory)
      : op_(op), xa_(memory), segments_(op.segments, op.slots, op.weight.shape[0], true) {
    const int64_t T = op.x.shape[0], P = op.loraA.shape[0], R = op.loraA.shape[1];
    if (op.xa) std::memset(op.xa.data, 0, op.xa.elements() * (op.xa.dtype == DType::BF16 ? 2 : 4));
    // One adapter after the other, so that A is read front to back, and once by all rows that share it.
    const int64_t groups = ceilDivide(R, kWidth);
    context.pool.parallelFor(P * groups, [&](int64_t task, int) {
      const int64_t p = task / groups, j = task % groups * kWidth;
      for (int64_t t = 0; t < T; ++t) {
        if (adapterOf(t) != p) continue;
        withTypes(op.x.dtype, op.loraA.dtype, [&](auto* x, auto* a) {
          lowRows(op.x.as<std::remove_pointer_t<decltype(x)>>(),
                  op.loraA.as<std::remove_pointer_t<decltype(a)>>(), t, p, j);
        });
      }
    });
  }

  // sums[t - first][i] += scale * (x A^T) B^T for the rows [first, first + rows) of x and those of W in panel
  // p.
  void add(int64_t p, int64_t first, int64_t rows, float* sums) const {
    withType(op_.loraB.dtype, [&](auto* b) {
      addPanel(op_.loraB.as<std::remove_pointer_t<decltype(b)>>(), p, first, rows, sums);
    });
  }

 private:
  int64_t adapterOf(int64_t t) const { return op_.adapterOfRow ? op_.adapterOfRow.as<int32_t>()[t] : 0; }

  // x A^T for row t of x and up to kWidth rows of its adapter's A, from j on.
  template <class X, class A>
  void lowRows(const X* x, const A* loraA, int64_t t, int64_t p, int64_t j) const {
    const int64_t K = op_.x.shape[1], R = op_.loraA.shape[1], count = smaller(kWidth, R - j);
    const A* a = loraA + (p * R + j) * K;
    Vec products[kWidth];
    for (int64_t i = 0; i < kWidth; ++i) {
      products[i] = i < count ? dotRow(x + t * K, a + i * K, K) : broadcast(0.0f);
    }
    const Vec sums = sumEach(products);
    storePart(xa_ + t * R + j, sums, count);
    if (!op_.xa) return;
    withType(op_.xa.dtype, [&](auto* xa) {
      storePart(op_.xa.as<std::remove_pointer_t<decltype(xa)>>() + t * R + j, sums, count);
    });
  }

  template <class B>
  void addPanel(const B* loraB, int64_t p, int64_t first, int64_t rows, float* sums) const {
    const int64_t N = op_.weight.shape[0], R = op_.loraA.shape[1], r = op_.loraB.shape[2];
    const int64_t n0 = p * kPanelRows;
    const PanelSegments panel(segments_, n0);
    for (int i = 0; i < panel.count; ++i) {
      const Segment& s = *panel.list[i];
      const int64_t begin = larger(s.begin, n0), end = smaller(s.end, n0 + kPanelRows);
      for (int64_t n = begin; n < end; n += kWidth) {
        for (int64_t t = first; t < first + rows; ++t) {
          if (adapterOf(t) < 0) continue;
          const B* b = loraB + (adapterOf(t) * N + n) * r;
          addRows(smaller(kWidth, end - n), xa_ + t * R + s.slot * r, b, r,
                  sums + (t - first) * kPanelRows + (n - n0));
        }
      }
    }
  }

  // Up to kWidth rows of B, whose sums go into one vector.
  template <class B>
  void addRows(int64_t rows, const float* xa, const B* b, int64_t r, float* sums) const {
    fetch(b + 2 * kWidth * r, kWidth * r);
    Vec products[kWidth];
    for (int i = 0; i < kWidth; ++i) products[i] = broadcast(0.0f);
    int64_t j = 0;
    if (rows == kWidth) {
      for (; j + kWidth <= r; j += kWidth) {
        const Vec low = load(xa + j);
        for (int i = 0; i < kWidth; ++i) products[i] = fma(low, load(b + i * r + j), products[i]);
      }
    }
    for (; j < r; j += kWidth) {
      const Vec low = loadPart(xa + j, r - j);
      for (int64_t i = 0; i < rows; ++i) products[i] = fma(low, loadPart(b + i * r + j, r - j), products[i]);
    }
    const Vec scale = broadcast(static_cast<float>(op_.scale));
    storePart(sums, fma(scale, sumEach(products), loadPart(sums, rows)), rows);
  }

  const LoraLinearForward& op_;
  float* xa_;
  Segments segments_;
};

}  // namespace ibert::cpu::IBERT_ISA
