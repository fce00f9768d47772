// Rows of a weight times the few rows of x of a step of generation, by the warps of a block: what is bound by
// reading the weight once.
//
// The operand a of mma() is sixteen rows of W and b up to eight rows of x, zero where there are none. Which k
// is which column of a tile does not matter to a product as long as W and x agree, so a thread reads sixteen
// bytes of a row of W straight from global memory and has its registers of the tiles: no shared memory, no
// barrier, and nothing but loads in flight. The columns go to the warps in chunks of kChunkColumns, chunk c to
// warp c % kWarps, so that a block reads whole lines of each row; what a row of x adds up in which order
// depends on K alone.
#pragma once

#include "operand.h"
#include "ptx.h"
#include "vector.h"

namespace ibert::cuda {

constexpr int kRowWarps = 8;
constexpr int kChunkColumns = 64;  // two groups of 32, which are two tiles each
constexpr int kTileRows = 16;      // of W
constexpr int kTileColumns = 8;    // rows of x

// What lies at `from`, of which `left` 16-bit elements are there: all or none where it is aligned; else they
// are read one by one, zeros behind them.
template <class Word, bool kAligned, bool kOnce>
__device__ __forceinline__ Word wordAt(const uint16_t* from, int64_t left) {
  Word word{};
  if constexpr (kAligned) {
    if (left > 0) word = kOnce ? loadOnce<Word>(from) : *reinterpret_cast<const Word*>(from);
  } else {
    constexpr int kHalves = sizeof(Word) / 2;
    unsigned each[kHalves / 2] = {};
#pragma unroll
    for (int i = 0; i < kHalves; ++i)
      if (i < left) each[i / 2] |= static_cast<unsigned>(from[i]) << (16 * (i % 2));
    memcpy(&word, each, sizeof word);
  }
  return word;
}

// Rows of a dtype that is no block format. What a thread has of a group of 32 columns is eight of them, k = 8 q
// to 8 q + 7 with q = lane % 4: pairs 0 and 1 for the first tile, 2 and 3 for the second.
//
// bf16 goes into mma() as it is. f16, exactly, and f32, to 16 bits, are sums of two bf16.
template <class T>
struct PlainRows {
  static constexpr int kWords = sizeof(T) / 2;         // of sixteen bytes, for eight elements
  static constexpr int kBatch = sizeof(T) == 2 ? 2 : 1;  // chunks in flight at once, of sixteen rows
  static constexpr int kTerms = std::is_same_v<T, Bf16> ? 1 : 2;
  static constexpr bool kScaled = false;

  // A thread's share of a chunk of one row.
  struct Part {
    uint4 at[2][kWords];
  };

  static __device__ __forceinline__ int64_t rowBytes(int64_t columns) { return columns * sizeof(T); }

  template <bool kAligned>
  static __device__ __forceinline__ Part load(const void* row, int64_t chunk, int64_t columns) {
    Part part;
#pragma unroll
    for (int group = 0; group < 2; ++group) {
      const int64_t k = chunk * kChunkColumns + group * 32 + threadIdx.x % 4 * 8;
#pragma unroll
      for (int i = 0; i < kWords; ++i)
        part.at[group][i] = wordAt<uint4, kAligned, true>(static_cast<const uint16_t*>(row) + k * kWords + i * 8,
                                                          (columns - k) * kWords - i * 8);
    }
    return part;
  }

  // Term `term` of the four pairs of a group.
  static __device__ __forceinline__ void pairs(uint32_t (&to)[4], const Part& part, int group, int term) {
    if constexpr (sizeof(T) == 4) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const uint4& from = part.at[group][i % kWords];
        to[2 * i] = termOf(__uint_as_float(from.x), __uint_as_float(from.y), term);
        to[2 * i + 1] = termOf(__uint_as_float(from.z), __uint_as_float(from.w), term);
      }
    } else {
      const uint4& from = part.at[group][0];
      const uint32_t words[4] = {from.x, from.y, from.z, from.w};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if constexpr (kTerms == 1)
          to[i] = words[i];
        else
          to[i] = termOf(half(words[i]), half(words[i] >> 16), term);
      }
    }
  }

 private:
  static __device__ __forceinline__ float half(uint32_t bits) {
    return __half2float(__ushort_as_half(static_cast<unsigned short>(bits)));
  }
  // The pair rounded to bf16, or what that leaves.
  static __device__ __forceinline__ uint32_t termOf(float low, float high, int term) {
    const uint32_t rounded = pairOf(low, high);
    if (term == 0) return rounded;
    return pairOf(low - __uint_as_float(rounded << 16), high - __uint_as_float(rounded & 0xffff0000u));
  }
};

// A thread's share of a chunk of one row of x: the four pairs of each group, as PlainRows has them.
template <bool kAligned>
__device__ __forceinline__ void loadX(uint32_t (&to)[2][4], const Bf16* row, bool inside, int64_t chunk,
                                      int64_t columns) {
#pragma unroll
  for (int group = 0; group < 2; ++group) {
    const int64_t k = chunk * kChunkColumns + group * 32 + threadIdx.x % 4 * 8;
    const uint4 word = wordAt<uint4, kAligned, false>(reinterpret_cast<const uint16_t*>(row) + k,
                                                      inside ? columns - k : 0);
    to[group][0] = word.x, to[group][1] = word.y, to[group][2] = word.z, to[group][3] = word.w;
  }
}

// Adds a chunk of kTiles times sixteen rows of W (parts[tile][0] of row g = lane / 4 of the tile, [1] of row
// g + 8) times kColumns times eight rows of x.
template <class Rows, int kTiles, int kColumns>
__device__ __forceinline__ void multiplyChunk(float (&sums)[kTiles][kColumns][4],
                                              const typename Rows::Part (&parts)[kTiles][2],
                                              const uint32_t (&xs)[kColumns][2][4]) {
#pragma unroll
  for (int group = 0; group < 2; ++group) {
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
      for (int term = 0; term < Rows::kTerms; ++term) {
        uint32_t low[4], high[4];
        Rows::pairs(low, parts[tile][0], group, term);
        Rows::pairs(high, parts[tile][1], group, term);
#pragma unroll
        for (int column = 0; column < kColumns; ++column) {
          const uint32_t(&x)[4] = xs[column][group];
          mma<Bf16>(sums[tile][column], {low[0], high[0], low[1], high[1]}, x[0], x[1]);
          mma<Bf16>(sums[tile][column], {low[2], high[2], low[3], high[3]}, x[2], x[3]);
        }
      }
    }
  }
}

// The warp's share of kTiles times sixteen rows of W from `firstRow` on (those behind the last are the last
// again) times kColumns times eight rows of x, of which T are there. sums: as mma() has its d.
template <class Rows, bool kAligned, int kTiles, int kColumns>
__device__ __forceinline__ void multiplyRows(float (&sums)[kTiles][kColumns][4], const void* weight,
                                             int64_t firstRow, int64_t rows, const Bf16* x, int64_t T,
                                             int64_t columns) {
  constexpr int kBatch = kTiles == 1 && kAligned ? Rows::kBatch : 1;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const char* rowOf[kTiles][2];
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int64_t row = firstRow + tile * kTileRows + half * 8 + lane / 4;
      rowOf[tile][half] =
          static_cast<const char*>(weight) + (row < rows ? row : rows - 1) * Rows::rowBytes(columns);
    }
#pragma unroll
    for (int column = 0; column < kColumns; ++column)
#pragma unroll
      for (float& sum : sums[tile][column]) sum = 0;
  }
  const int64_t chunks = ceilDivide(columns, kChunkColumns);
  for (int64_t first = warp; first < chunks; first += kRowWarps * kBatch) {
    typename Rows::Part parts[kBatch][kTiles][2];
    uint32_t xs[kBatch][kColumns][2][4];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int64_t chunk = first + i * kRowWarps;
#pragma unroll
      for (int tile = 0; tile < kTiles; ++tile)
#pragma unroll
        for (int half = 0; half < 2; ++half)
          parts[i][tile][half] = Rows::template load<kAligned>(rowOf[tile][half], chunk, columns);
#pragma unroll
      for (int column = 0; column < kColumns; ++column) {
        const int64_t t = column * kTileColumns + lane / 4;
        loadX<kAligned>(xs[i][column], x + t * columns, t < T, chunk, columns);
      }
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) multiplyChunk<Rows>(sums, parts[i], xs[i]);
  }
}

}  // namespace ibert::cuda
