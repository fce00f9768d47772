// LoRA for a few rows that may each have an adapter of their own: scale * (x A^T) B^T of every row, by dot products in
// f32. In generation T is the number of sequences, and each adapter's A and B are read once a row.
#pragma once

#include "../../host/kernel.h"
#include "../fail.h"
#include "act.h"
#include "segments.h"

namespace ibert::cpu::IBERT_ISA {

constexpr int64_t kNoAdapter = -1, kSeveralAdapters = -2;

// The adapter of all rows (-1: none), or kSeveralAdapters.
static inline int64_t commonAdapter(const int32_t* adapterOfRow, int64_t rows, int64_t adapters) {
  int64_t common = rows > 0 ? adapterOfRow[0] : -1;
  for (int64_t t = 0; t < rows; ++t) {
    const int64_t p = adapterOfRow[t];
    if (p < -1 || p >= adapters) {
      fail("loraLinearForward: adapterOfRow[%lld] is %lld, there are %lld adapters", static_cast<long long>(t),
           static_cast<long long>(p), static_cast<long long>(adapters));
    }
    if (p != common) common = kSeveralAdapters;
  }
  return common;
}

template <class T>
inline float dotRows(const T* x, const float* w, int64_t count) {
  Vec sums[4] = {broadcast(0.0f), broadcast(0.0f), broadcast(0.0f), broadcast(0.0f)};
  int64_t k = 0;
  for (; k + 4 * kWidth <= count; k += 4 * kWidth) {
    for (int i = 0; i < 4; ++i) sums[i] = fma(load(x + k + i * kWidth), load(w + k + i * kWidth), sums[i]);
  }
  for (; k < count; k += kWidth) sums[0] = fma(loadPart(x + k, count - k), loadPart(w + k, count - k), sums[0]);
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// Bytes for rowLora: the result (T, N) and x A^T (T, R).
constexpr int64_t rowLoraBytes(int64_t T, int64_t N, int64_t R) { return (T * N + T * R) * 4; }

// Returns the (T, N) f32 addend. Writes xa too where it is asked for.
static inline const float* rowLora(const LoraLinearForward& op, host::Context& context, float* memory) {
  const int64_t T = op.x.shape[0], K = op.x.shape[1], N = op.weight.shape[0];
  const int64_t R = op.loraA.shape[1], r = op.loraB.shape[2];
  float* delta = memory;
  float* xa = memory + T * N;
  const int32_t* adapterOfRow = op.adapterOfRow ? op.adapterOfRow.as<int32_t>() : nullptr;
  const auto adapterOf = [&](int64_t t) { return adapterOfRow != nullptr ? adapterOfRow[t] : 0; };

  // The rows of A and B go outside and the rows of x inside: an adapter that several rows share is read once.
  constexpr int64_t kPart = 4;
  context.pool.parallelFor(ceilDivide(R, kPart), [&](int64_t task, int) {
    for (int64_t j = task * kPart; j < smaller((task + 1) * kPart, R); ++j) {
      for (int64_t t = 0; t < T; ++t) {
        const int64_t p = adapterOf(t);
        float& sum = xa[t * R + j];
        sum = 0.0f;
        if (p >= 0) {
          const float* a = op.loraA.as<float>() + (p * R + j) * K;
          withType(op.x.dtype, [&](auto* x) { sum = dotRows(op.x.as<std::remove_pointer_t<decltype(x)>>() + t * K, a, K); });
        }
        if (op.xa) storeElements(op.xa.data, op.xa.dtype == DType::BF16, t * R + j, 1, splat(sum));
      }
    }
  });

  const Segments segments(op.segments, op.slots, N, true);
  const float scale = static_cast<float>(op.scale);
  constexpr int64_t kRows = 128;
  context.pool.parallelFor(ceilDivide(N, kRows), [&](int64_t task, int) {
    const int64_t n0 = task * kRows, n1 = smaller(n0 + kRows, N);
    for (int i = 0; i < segments.count; ++i) {
      const Segment& s = segments.list[i];
      for (int64_t n = larger(n0, s.begin); n < smaller(n1, s.end); ++n) {
        for (int64_t t = 0; t < T; ++t) {
          const int64_t p = adapterOf(t);
          const bool none = p < 0 || s.slot < 0;
          delta[t * N + n] =
              none ? 0.0f : scale * dotRows(xa + t * R + s.slot * r, op.loraB.as<float>() + (p * N + n) * r, r);
        }
      }
    }
  });
  return delta;
}

}  // namespace ibert::cpu::IBERT_ISA
