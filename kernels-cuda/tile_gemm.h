// A tile of a matrix product on the tensor cores of sm_80, the main loop of all products with many rows: the
// eight warps of a block compute kM x kN elements, each warp an eighth of them in registers, while cp.async
// brings the operands of the next steps through a ring of stages. What an operand is made of is the caller's,
// step by step: so a product of x and W goes on into that of x A^T and B, and a weight may be dequantised on
// its way.
//
// Why it is fast: of 128 x 128 elements a warp has 64 x 32, which 6 ldmatrix feed for 16 mma, with one
// barrier for 64 elements of K. The sums take 64 registers, so that two blocks of 256 threads have room on a
// multiprocessor, and their 96 KiB of shared memory each have it on A100 and H100: one multiplies while the
// other begins or ends.
//
// Sums are added in the order of K, whatever the tile's place: an element does not depend on how many rows
// there are.
#pragma once

#include "tile.h"

namespace ibert::cuda {

template <int kRows, int kColumns>
struct GemmTile {
  static constexpr int kM = kRows, kN = kColumns, kK = 64;
  static constexpr int kThreads = 256, kStages = 3;
  static constexpr int kBytesA = kM * kK * 2, kBytesB = kN * kK * 2, kStageBytes = kBytesA + kBytesB;
  static constexpr int kSharedBytes = kStages * kStageBytes;
  static constexpr int kWarpM = kM / 2, kWarpN = kN / 4;

  float sums[kWarpM / 16][kWarpN / 8][4];

  // Calls bring(offset, step) for each step: it brings operand a, kM x kK, to `memory` + offset and b, kN x
  // kK, kBytesA behind it; a transposed operand lies as kK rows of kM, or kN, elements. Adds up the products
  // of all steps.
  template <bool kTransposedA, bool kTransposedB, class Bring>
  __device__ __forceinline__ void multiply(char* memory, int steps, const Bring& bring) {
#pragma unroll
    for (auto& row : sums)
#pragma unroll
      for (auto& sum : row)
#pragma unroll
        for (float& value : sum) value = 0;

    const uint32_t base = sharedAddress(memory);
    int offset = 0, nextOffset = 0;
    for (int step = 1 - kStages; step < steps; ++step) {
      if (step >= 0) {
        waitForCopies<kStages - 2>();
        // Both: the copies of all threads are there, and nobody reads the stage any more that the next ones
        // go to.
        __syncthreads();
      }
      if (step + kStages - 1 < steps) bring(nextOffset, step + kStages - 1);
      commitCopies();  // a group a step, be it empty, so that counting groups counts steps
      nextOffset = nextOffset == (kStages - 1) * kStageBytes ? 0 : nextOffset + kStageBytes;
      if (step < 0) continue;
      multiplyStage<kTransposedA, kTransposedB>(base + offset);
      offset = offset == (kStages - 1) * kStageBytes ? 0 : offset + kStageBytes;
    }
    waitForCopies<0>();
    __syncthreads();  // shared memory is free again
  }

  // Calls body(row, column, first, second) for every two neighbouring elements of the thread, by their place
  // in the tile.
  template <class Body>
  __device__ __forceinline__ void forPairs(const Body& body) const {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int row = warp / 4 * kWarpM + lane / 4, column = warp % 4 * kWarpN + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < kWarpM / 16; ++i)
#pragma unroll
      for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int j = 0; j < kWarpN / 8; ++j)
          body(row + 16 * i + 8 * half, column + 8 * j, sums[i][j][2 * half], sums[i][j][2 * half + 1]);
  }

 private:
  template <bool kTransposedA, bool kTransposedB>
  __device__ __forceinline__ void multiplyStage(uint32_t stage) {
    const int warp = threadIdx.x / 32, row = warp / 4 * kWarpM, column = warp % 4 * kWarpN;
#pragma unroll
    for (int k = 0; k < kK / 16; ++k) {
      uint32_t a[kWarpM / 16][4];
#pragma unroll
      for (int i = 0; i < kWarpM / 16; ++i) {
        if constexpr (kTransposedA)
          loadTransposedA<kM>(a[i], stage, row + 16 * i, k);
        else
          loadA<kK>(a[i], stage, row + 16 * i, k);
      }
#pragma unroll
      for (int j = 0; j < kWarpN / 16; ++j) {
        uint32_t b[4];
        if constexpr (kTransposedB)
          loadTransposedB<kN>(b, stage + kBytesA, column + 16 * j, k);
        else
          loadB<kK>(b, stage + kBytesA, column + 16 * j, k);
#pragma unroll
        for (int i = 0; i < kWarpM / 16; ++i) {
          mma<Bf16>(sums[i][2 * j], a[i], b[0], b[1]);
          mma<Bf16>(sums[i][2 * j + 1], a[i], b[2], b[3]);
        }
      }
    }
  }
};

// The tile of a block among `rows` x `columns` tiles: eight rows of tiles at a time, column by column, so
// that the blocks that run at once share their operands in the L2 cache.
struct TilePlace {
  int row, column;
};
__device__ __forceinline__ TilePlace placeOf(unsigned tile, unsigned rows, unsigned columns) {
  constexpr unsigned kBand = 8;
  const unsigned band = tile / (kBand * columns), inBand = tile % (kBand * columns);
  const unsigned left = rows - band * kBand, height = left < kBand ? left : kBand;
  return {int(band * kBand + inBand % height), int(inBand / height)};
}

// Two neighbouring elements of a row-major activation; `pairs`: its place and its rows are multiples of two
// elements.
template <class T>
__device__ __forceinline__ float2 loadPair(const T* from, bool pairs, bool second) {
  if constexpr (std::is_same_v<T, float>) {
    if (pairs) return *reinterpret_cast<const float2*>(from);
  } else if (pairs) {
    const unsigned word = *reinterpret_cast<const unsigned*>(from);
    return make_float2(__uint_as_float(word << 16), __uint_as_float(word & 0xffff0000u));
  }
  return make_float2(loadOne(from), second ? loadOne(from + 1) : 0.0f);
}
template <class T>
__device__ __forceinline__ void storePair(T* to, float2 value, bool pairs, bool second) {
  if constexpr (std::is_same_v<T, float>) {
    if (pairs) {
      *reinterpret_cast<float2*>(to) = value;
      return;
    }
  } else if (pairs) {
    *reinterpret_cast<unsigned*>(to) = pairOf(value.x, value.y);
    return;
  }
  storeOne(to, value.x);
  if (second) storeOne(to + 1, value.y);
}
// Whether rows of `columns` elements from there on can be read in pairs.
template <class T>
bool inPairs(const T* data, int64_t columns) {
  return reinterpret_cast<uintptr_t>(data) % (2 * sizeof(T)) == 0 && columns % 2 == 0;
}

}  // namespace ibert::cuda
