// Rows of a weight times the few rows of x of a step of generation, by the warps of a block: what is bound by
// reading the weight once.
//
// The operand a of mma() is sixteen rows of W and b up to eight rows of x, zero where there are none. Which k
// is which column of a tile does not matter to a product as long as W and x agree, so a thread reads sixteen
// bytes of a row of W straight from global memory and has its registers of the tiles: no shared memory, no
// barrier, and nothing but loads in flight. The columns go to the warps in chunks of kChunkColumns, chunk c
// to warp c % kWarps, so that a block reads whole lines of each row; what a row of x adds up in which order
// depends on K alone.
#pragma once

#include "ptx.h"
#include "vector.h"

namespace ibert::cuda {

constexpr int kRowWarps = 8;
constexpr int kTileRows = 16;    // of W
constexpr int kTileColumns = 8;  // rows of x

// Rows of a dtype that is no block format. What a thread has of a group of 32 columns is eight of them, k = 8
// q to 8 q + 7 with q = lane % 4: pairs 0 and 1 for the first tile, 2 and 3 for the second.
//
// bf16 goes into mma() as it is. f16, exactly, and f32, to 16 bits, are sums of two bf16.
template <class T>
struct PlainRows {
  static constexpr int kWords = sizeof(T) / 2;           // of sixteen bytes, for eight elements
  static constexpr int kBatch = sizeof(T) == 2 ? 2 : 1;  // chunks in flight at once, of sixteen rows
  static constexpr int kTerms = std::is_same_v<T, Bf16> ? 1 : 2;
  static constexpr bool kScaled = false, kSixteens = false, kHasMinimum = false;
  static constexpr int kBlocksOfSm = 3;

  // A thread's share of a chunk of one row.
  struct Part {
    uint4 at[2][kWords];
  };

  static __device__ __forceinline__ int rowBytes(int columns) {
    return columns * static_cast<int>(sizeof(T));
  }

  template <bool kAligned>
  static __device__ __forceinline__ Part load(const void* row, int chunk, int columns, int quarter) {
    Part part;
#pragma unroll
    for (int group = 0; group < 2; ++group) {
      const int k = chunk * kChunkColumns + group * 32 + quarter * 8;
#pragma unroll
      for (int i = 0; i < kWords; ++i)
        part.at[group][i] = wordAt<uint4, kAligned, true>(
            static_cast<const char*>(row) + (k * kWords + i * 8) * 2, (columns - k) * kWords - i * 8);
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

// Rows of a packed weight in a block format: its codes go into mma(), bf16 has them exactly, and each product
// of 32 (or sixteen) columns is multiplied by its scale in float32. A minimum is added times the sum of the x
// of its columns, which is the product with ones.
template <DType kDType>
struct BlockRows : PackedBlocks<kDType> {
  static constexpr int kBatch = kDType == DType::Q8_0 ? 2 : 4;
  static constexpr int kTerms = 1;
  static constexpr bool kScaled = true;
  static constexpr int kBlocksOfSm = 2;

  static __device__ __forceinline__ void pairs(uint32_t (&to)[4],
                                               const typename PackedBlocks<kDType>::Part& part, int group,
                                               int) {
    PackedBlocks<kDType>::pairs(to, part, group);
  }
};

// A thread's share of a chunk of one row of x: the four pairs of each group, of the columns that it has of W.
template <bool kSixteens, bool kAligned>
__device__ __forceinline__ void loadX(uint32_t (&to)[2][4], const Bf16* row, bool inside, int chunk,
                                      int columns) {
#pragma unroll
  for (int group = 0; group < 2; ++group) {
    const int k = chunk * kChunkColumns + group * 32;
    const int quarter = threadIdx.x % 4;
    const int left = inside ? columns - k : 0;
    if constexpr (kSixteens) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int at = half * 16 + quarter * 4;
        const auto word = wordAt<uint2, kAligned, false>(row + k + at, left - at);
        to[group][half * 2] = word.x, to[group][half * 2 + 1] = word.y;
      }
    } else {
      const int at = quarter * 8;
      const auto word = wordAt<uint4, kAligned, false>(row + k + at, left - at);
      to[group][0] = word.x, to[group][1] = word.y, to[group][2] = word.z, to[group][3] = word.w;
    }
  }
}

// Sixteen rows of W, of which a thread has the pairs of two, times eight rows of x: tile `half` of a group.
__device__ __forceinline__ void multiplyTile(float (&sums)[4], const uint32_t (&low)[4],
                                             const uint32_t (&high)[4], const uint32_t (&x)[4], int half) {
  mma<Bf16>(sums, {low[half * 2], high[half * 2], low[half * 2 + 1], high[half * 2 + 1]}, x[half * 2],
            x[half * 2 + 1]);
}

// The same of a group whose codes those are, times their scales.
template <class Rows>
__device__ __forceinline__ void addScaled(float (&sums)[4], const typename Rows::Part (&parts)[2], int group,
                                          const uint32_t (&low)[4], const uint32_t (&high)[4],
                                          const uint32_t (&x)[4], const float (&sumsOfX)[4]) {
  constexpr int kProducts = Rows::kSixteens ? 2 : 1;
#pragma unroll
  for (int product = 0; product < kProducts; ++product) {
    float products[4] = {};
    multiplyTile(products, low, high, x, product);
    if constexpr (!Rows::kSixteens) multiplyTile(products, low, high, x, 1);
#pragma unroll
    for (int i = 0; i < 4; ++i) sums[i] += Rows::scaleOf(parts[i / 2], group, product) * products[i];
  }
  if constexpr (Rows::kHasMinimum) {
#pragma unroll
    for (int i = 0; i < 4; ++i) sums[i] += Rows::minimumOf(parts[i / 2], group) * sumsOfX[i];
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
    float sumsOfX[kColumns][4] = {};
    if constexpr (Rows::kHasMinimum) {
      constexpr uint32_t kOnes = 0x3f803f80;
#pragma unroll
      for (int column = 0; column < kColumns; ++column)
#pragma unroll
        for (int half = 0; half < 2; ++half)
          multiplyTile(sumsOfX[column], {kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes, kOnes, kOnes},
                       xs[column][group], half);
    }
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
      for (int term = 0; term < Rows::kTerms; ++term) {
        uint32_t low[4], high[4];
        Rows::pairs(low, parts[tile][0], group, term);
        Rows::pairs(high, parts[tile][1], group, term);
#pragma unroll
        for (int column = 0; column < kColumns; ++column) {
          if constexpr (Rows::kScaled)
            addScaled<Rows>(sums[tile][column], parts[tile], group, low, high, xs[column][group],
                            sumsOfX[column]);
          else
#pragma unroll
            for (int half = 0; half < 2; ++half)
              multiplyTile(sums[tile][column], low, high, xs[column][group], half);
        }
      }
    }
  }
}

// The warp's share of kTiles times sixteen rows of W from `firstRow` on (those behind the last are the last
// again) times kColumns times eight rows of x, of which T are there. sums: as mma() has its d.
template <class Rows, bool kAligned, int kTiles, int kColumns>
__device__ __forceinline__ void multiplyRows(float (&sums)[kTiles][kColumns][4], const void* weight,
                                             int64_t firstRow, int64_t rows, const Bf16* x, int T,
                                             int columns) {
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
  const int chunks = packedChunks(columns);
  for (int first = warp; first < chunks; first += kRowWarps * kBatch) {
    typename Rows::Part parts[kBatch][kTiles][2];
    uint32_t xs[kBatch][kColumns][2][4];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int chunk = first + i * kRowWarps;
#pragma unroll
      for (int tile = 0; tile < kTiles; ++tile)
#pragma unroll
        for (int half = 0; half < 2; ++half)
          parts[i][tile][half] = Rows::template load<kAligned>(rowOf[tile][half], chunk, columns, lane % 4);
#pragma unroll
      for (int column = 0; column < kColumns; ++column) {
        const int t = column * kTileColumns + lane / 4;
        loadX<Rows::kSixteens, kAligned>(xs[i][column], x + static_cast<int64_t>(t) * columns, t < T, chunk,
                                         columns);
      }
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) multiplyChunk<Rows>(sums, parts[i], xs[i]);
  }
}

}  // namespace ibert::cuda
