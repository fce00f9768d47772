// Words of global memory that may lie off their own grid.
#pragma once

#include <cstring>

#include "ptx.h"

namespace ibert::cuda {

// What lies at `from`, of which `left` 16-bit elements are there: all or none where it is aligned; else they
// are read one by one, zeros behind them. kOnce: as loadOnce() has it.
template <class Word, bool kAligned, bool kOnce>
__device__ __forceinline__ Word wordAt(const void* from, int left) {
  Word word{};
  if constexpr (kAligned) {
    if (left > 0) word = kOnce ? loadOnce<Word>(from) : *static_cast<const Word*>(from);
  } else {
    constexpr int kHalves = sizeof(Word) / 2;
    unsigned each[kHalves / 2] = {};
#pragma unroll
    for (int i = 0; i < kHalves; ++i)
      if (i < left)
        each[i / 2] |= static_cast<unsigned>(static_cast<const uint16_t*>(from)[i]) << (16 * (i % 2));
    memcpy(&word, each, sizeof word);
  }
  return word;
}

}  // namespace ibert::cuda
