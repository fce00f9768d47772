// LoRA for a few rows that may each have an adapter of their own: scale * (x A^T) B^T of every row, by dot
// products in f32. In generation T is the number of sequences, and each adapter's A and B are read once a
// row.
#pragma once

#include "../../host/kernel.h"
#include "../fail.h"
#include "act.h"
#include "segments.h"
#include "sum_each.h"

namespace ibert::cpu::IBERT_ISA {

constexpr int64_t kNoAdapter = -1, kSeveralAdapters = -2;

// The adapter of all rows (-1: none), or kSeveralAdapters.
static inline int64_t commonAdapter(const int32_t* adapterOfRow, int64_t rows, int64_t adapters) {
  int64_t common = rows > 0 ? adapterOfRow[0] : -1;
  for (int64_t t = 0; t < rows; ++t) {
    const int64_t p = adapterOfRow[t];
    if (p < -1 || p >= adapters) {
      fail("loraLinearForward: adapterOfRow[%lld] is %lld, there are %lld adapters",
           static_cast<long long>(t), static_cast<long long>(p), static_cast<long long>(adapters));
    }
    if (p != common) common = kSeveralAdapters;
  }
  return common;
}

// Adapters are read front to back, in as many streams as there are adapters, which is more than hardware
// foresees: `ahead` is what this stream needs soon.
inline void fetch(const float* ahead, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) __builtin_prefetch(ahead + i);
}

template <class T>
inline float dotRows(const T* x, const float* w, int64_t count) {
  Vec sums[4] = {broadcast(0.0f), broadcast(0.0f), broadcast(0.0f), broadcast(0.0f)};
  int64_t k = 0;
  for (; k + 4 * kWidth <= count; k += 4 * kWidth) {
    fetch(w + count + k, 4 * kWidth);
    for (int i = 0; i < 4; ++i) sums[i] = fma(load(x + k + i * kWidth), load(w + k + i * kWidth), sums[i]);
  }
  for (; k < count; k += kWidth)
    sums[0] = fma(loadPart(x + k, count - k), loadPart(w + k, count - k), sums[0]);
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// What is added to the product of W, row by row: computed in two steps, x A^T for all rows and then, panel by
// panel, the product with B.
class RowLora {
 public:
  // Bytes that it needs for x A^T (T, R).
  static constexpr int64_t bytes(int64_t T, int64_t R) { return T * R * 4; }

  // Computes x A^T, and writes it to xa too where it is asked for.
  RowLora(const LoraLinearForward& op, host::Context& context, float* memory)
      : op_(op), xa_(memory), segments_(op.segments, op.slots, op.weight.shape[0], true) {
    const int64_t T = op.x.shape[0], K = op.x.shape[1], R = op.loraA.shape[1];
    // The rows of A go outside and the rows of x inside: an adapter that several rows share is read once.
    const int64_t part = larger(4, ceilDivide(R, 8 * context.pool.threads()));
    context.pool.parallelFor(ceilDivide(R, part), [&](int64_t task, int) {
      for (int64_t j = task * part; j < smaller((task + 1) * part, R); ++j) {
        for (int64_t t = 0; t < T; ++t) {
          const int64_t p = adapterOf(t);
          float& sum = xa_[t * R + j];
          sum = 0.0f;
          if (p >= 0) {
            const float* a = op.loraA.as<float>() + (p * R + j) * K;
            withType(op.x.dtype, [&](auto* x) {
              sum = dotRows(op.x.as<std::remove_pointer_t<decltype(x)>>() + t * K, a, K);
            });
          }
          if (op.xa) storeElements(op.xa.data, op.xa.dtype == DType::BF16, t * R + j, 1, splat(sum));
        }
      }
    });
  }

  // sums[t - first][i] += scale * (x A^T) B^T for the rows [first, first + rows) of x and those of W in panel
  // p.
  void add(int64_t p, int64_t first, int64_t rows, float* sums) const {
    const int64_t N = op_.weight.shape[0], R = op_.loraA.shape[1], r = op_.loraB.shape[2];
    const int64_t n0 = p * kPanelRows;
    const PanelSegments panel(segments_, n0);
    for (int i = 0; i < panel.count; ++i) {
      const Segment& s = *panel.list[i];
      const int64_t begin = larger(s.begin, n0), end = smaller(s.end, n0 + kPanelRows);
      for (int64_t n = begin; n < end; n += kWidth) {
        for (int64_t t = first; t < first + rows; ++t) {
          if (adapterOf(t) < 0) continue;
          const float* b = op_.loraB.as<float>() + (adapterOf(t) * N + n) * r;
          addRows(smaller(kWidth, end - n), xa_ + t * R + s.slot * r, b, r,
                  sums + (t - first) * kPanelRows + (n - n0));
        }
      }
    }
  }

 private:
  int64_t adapterOf(int64_t t) const { return op_.adapterOfRow ? op_.adapterOfRow.as<int32_t>()[t] : 0; }

  // Up to kWidth rows of B, whose sums go into one vector.
  void addRows(int64_t rows, const float* xa, const float* b, int64_t r, float* sums) const {
    fetch(b + 2 * kWidth * r, kWidth * r);
    Vec products[kWidth];
    for (int64_t i = 0; i < kWidth; ++i) {
      products[i] = broadcast(0.0f);
      if (i >= rows) continue;
      for (int64_t j = 0; j < r; j += kWidth) {
        products[i] = fma(loadPart(xa + j, r - j), loadPart(b + i * r + j, r - j), products[i]);
      }
    }
    const Vec scale = broadcast(static_cast<float>(op_.scale));
    storePart(sums, fma(scale, sumEach(products), loadPart(sums, rows)), rows);
  }

  const LoraLinearForward& op_;
  float* xa_;
  Segments segments_;
};

}  // namespace ibert::cpu::IBERT_ISA
