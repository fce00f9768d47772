// Rows of the paged cache: one key or value of one key-value head, in any dtype of the cache, widened as it
// is read.
#pragma once

#include <cmath>

#include "../../ops.h"
#include "act.h"
#include "sizes.h"
#include "vector.h"

namespace ibert::cpu::IBERT_ISA {

// 32 values of a q8_0 row: scale (f16) times code.
struct Q8Block {
  uint16_t scale;
  int8_t codes[32];
};
static_assert(sizeof(Q8Block) == 34, "ggml's q8_0");

// Values in one T.
template <class T>
constexpr int64_t kPerCell = 1;
template <>
constexpr inline int64_t kPerCell<Q8Block> = 32;

// Values i .. of a row, of which `lanes` are left; i is a multiple of kWidth.
template <class T>
inline Vec cached(const T* row, int64_t i, int64_t lanes) {
  return loadPart(row + i, lanes);
}
inline Vec cached(const Q8Block* row, int64_t i, int64_t) {
  const Q8Block& block = row[i / 32];
  return loadCodes(block.codes + i % 32) * broadcast(scalarFromF16(block.scale));
}

// Calls body with null pointers of the cache's element types: float, Bf16, or Q8Block for both.
template <class Body>
inline void withCacheTypes(DType keys, DType values, Body&& body) {
  if (keys == DType::Q8_0) {
    body(static_cast<Q8Block*>(nullptr), static_cast<Q8Block*>(nullptr));
  } else {
    withTypes(keys, values, body);
  }
}

// Stores `count` values, a multiple of 32, as the op table says of kvCacheWrite.
template <class T>
inline void quantizeRow(const T* from, Q8Block* to, int64_t count) {
  for (int64_t block = 0; block < count / 32; ++block) {
    float x[32];
    for (int i = 0; i < 32; i += kWidth) store(x + i, load(from + block * 32 + i));
    uint32_t largest = 0;  // the bits of |x| ascend as |x| does, and end in the NaNs
    for (const float value : x) {
      uint32_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      bits &= 0x7fffffffu;
      largest = bits > largest ? bits : largest;
    }
    float size;
    std::memcpy(&size, &largest, sizeof size);
    to[block].scale = scalarToF16(size / 127.0f);
    const float scale = scalarFromF16(to[block].scale);
    const bool usable = scale > 0.0f && scale < HUGE_VALF;
    for (int i = 0; i < 32; ++i) {
      const float code = usable ? __builtin_nearbyintf(x[i] / scale) : 0.0f;
      to[block].codes[i] = static_cast<int8_t>(code > 127.0f ? 127.0f : code < -127.0f ? -127.0f : code);
    }
  }
}

// Where the rows of up to `Most` keys of one sequence and key-value head lie.
template <class T, int64_t Most>
struct CacheRows {
  int64_t count = 0;
  const T* row[Most];

  // Positions [begin, end) of the sequence whose blocks are `blocks`. Places behind them, up to a multiple of
  // kAhead, repeat the last row: kernels take some keys at a time.
  void find(const Tensor& cache, const int32_t* blocks, int64_t kvHead, int64_t begin, int64_t end) {
    const int64_t W = cache.shape[2], cells = cache.shape[3] / kPerCell<T>;
    count = 0;
    while (begin < end) {
      const int64_t place = begin % W, run = smaller(W - place, end - begin);
      const T* first =
          cache.as<const T>() + ((blocks[begin / W] * cache.shape[1] + kvHead) * W + place) * cells;
      for (int64_t i = 0; i < run; ++i) row[count++] = first + i * cells;
      begin += run;
    }
    for (int64_t i = count; i > 0 && i % kAhead != 0; ++i) row[i] = row[count - 1];
    bytes_ = cells * static_cast<int64_t>(sizeof(T));
  }

  // The blocks of a sequence lie anywhere, which no hardware foresees: asks for row i, if there is one.
  void prefetch(int64_t i) const {
    if (i < 0 || i >= count) return;
    for (int64_t byte = 0; byte < bytes_; byte += 64)
      __builtin_prefetch(reinterpret_cast<const char*>(row[i]) + byte);
  }

  static constexpr int64_t kAhead = 16;
  static_assert(Most % kAhead == 0);

 private:
  int64_t bytes_ = 0;
};

}  // namespace ibert::cpu::IBERT_ISA
