// What the fast kernels of attentionBackward share: what they know of each token, and products of tiles.
#pragma once

#include <climits>

#include "attention.h"
#include "tile.h"
#include "vector.h"

namespace ibert::cuda {

// What the kernels know of each token, in the workspace: `padded` tokens, a multiple of a tile's rows, of
// which those beyond T see nothing.
struct TokenFacts {
  float* lse2;        // (heads, padded): lse log2(e)
  float* minusDelta;  // (heads, padded): -dy . y
  int32_t* begins;    // (padded): the token's sequence; ascending
  int32_t* ends;
  int64_t padded;
};

constexpr int kPadding = 128;
constexpr float kLog2E = 1.44269504088896341f;

struct MmaOperands {
  const Bf16 *dy, *qkv;
  Bf16* dqkv;
  TokenFacts facts;
  Heads at;
  int64_t stride, dyStride;  // of rows
  int T;
  float scale;
  bool pairsAligned;  // dqkv, to two elements

  template <int D, bool kAligned>
  __device__ __forceinline__ Matrix ofQkv(int64_t offset) const {
    return {qkv + offset, stride, T, D, kAligned};
  }
  template <int D, bool kAligned>
  __device__ __forceinline__ Matrix ofDy(int64_t head) const {
    return {dy + head * D, dyStride, T, D, kAligned};
  }
  __device__ __forceinline__ void setPair(int64_t row, int64_t column, float low, float high) const {
    Bf16* to = dqkv + row * stride + column;
    if (pairsAligned) {
      *reinterpret_cast<unsigned*>(to) = pairOf(low, high);
    } else {
      storeOne(to, low);
      storeOne(to + 1, high);
    }
  }
};

// D / 8 neighbouring lanes take a row of dy and y, sixteen bytes each.
constexpr int kFactThreads = 256;

template <int D>
__global__ void __launch_bounds__(kFactThreads)
    factsMma(const Bf16* dy, const Bf16* y, View lse, const int32_t* offsets, int64_t S, TokenFacts facts,
             int64_t heads, int64_t T, bool aligned) {
  constexpr int kLanes = D / kVector;
  const int64_t row = firstElement() / kLanes, head = row / facts.padded, t = row % facts.padded;
  const int lane = threadIdx.x % kLanes;
  const bool there = t < T;
  float sum = 0;
  if (there) {
    const int64_t at = (t * heads + head) * D + lane * kVector;
    const Vector a = loadVector(dy + at, aligned), b = loadVector(y + at, aligned);
#pragma unroll
    for (int i = 0; i < kVector; ++i) sum += a.at[i] * b.at[i];
  }
#pragma unroll
  for (int lanes = kLanes / 2; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(~0u, sum, lanes);
  if (lane != 0) return;
  facts.lse2[row] = there ? lse.at(t * heads + head) * kLog2E : INFINITY;
  facts.minusDelta[row] = -sum;
  if (head == 0) {
    const Span span = there ? sequenceOf(offsets, S, t, T) : Span{INT_MAX, 0};
    facts.begins[t] = static_cast<int32_t>(span.begin);
    facts.ends[t] = static_cast<int32_t>(span.end);
  }
}

// bringTile() of whole heads, which computes its addresses each time: registers are short. Of operands that
// are not aligned it takes one chunk after the other, for the same reason.
template <int kRows, int D, int kThreads, bool kAligned>
__device__ __forceinline__ void bringRows(char* memory, int offset, const Matrix& from, int row) {
  constexpr int kChunks = D / kChunk, kEach = kRows * kChunks / kThreads;
  uint32_t thread = threadIdx.x;
  hide(thread);
#pragma unroll(kAligned ? kEach : 1)
  for (int i = 0; i < kEach; ++i) {
    const int at = i * kThreads + int(thread), r = at / kChunks, c = at % kChunks;
    bringChunk<D>(memory, offset, r, c, from, row + r, c * kChunk);
  }
}

// The facts of some tokens in shared memory: their lse2, then minusDelta, then begins.
template <int kTokens>
__device__ __forceinline__ void bringFacts(uint32_t to, const TokenFacts& facts, int64_t head, int token) {
  constexpr int kChunks = kTokens / 4;
  const int fact = threadIdx.x / kChunks;
  if (fact >= 3) return;
  const int64_t at = head * facts.padded + token;
  const void* from = fact == 0   ? static_cast<const void*>(facts.lse2 + at)
                     : fact == 1 ? static_cast<const void*>(facts.minusDelta + at)
                                 : static_cast<const void*>(facts.begins + token);
  copyAsync<16>(to + threadIdx.x * 16, static_cast<const char*>(from) + threadIdx.x % kChunks * 16);
}

// The operand a of mma() from two neighbouring results d of one.
__device__ __forceinline__ void packA(uint32_t (&a)[4], const float (&left)[4], const float (&right)[4]) {
  a[0] = pairOf(left[0], left[1]);
  a[1] = pairOf(left[2], left[3]);
  a[2] = pairOf(right[0], right[1]);
  a[3] = pairOf(right[2], right[3]);
}

// Where lanes find their rows of fragments as loadA() and loadTransposedB() take them (a), and loadB() (b),
// from a tile's row on whose number is a multiple of 16. In a tile that is aligned to its rows, the place at
// step s is s * 32 ^ that: one register for all steps, of which these kernels have none to spare.
template <int D>
struct LaneRows {
  uint32_t a, b;

  __device__ __forceinline__ LaneRows() {
    const int lane = threadIdx.x % 32;
    a = chunkOf<D>(0, lane % 16, lane / 16);
    b = chunkOf<D>(0, lane % 8 + lane / 16 * 8, lane / 8 % 2);
  }
};

// d (32 x 32) += rows [rowA, rowA + 32) of tile a times rows [rowB, rowB + 32) of tile b, transposed.
template <int D>
__device__ __forceinline__ void multiplyRows(float (&d)[2][4][4], uint32_t a, int rowA, uint32_t b, int rowB,
                                             const LaneRows<D>& lanes) {
  const uint32_t fromA = a + rowA * (D * 2) + lanes.a, fromB = b + rowB * (D * 2) + lanes.b;
#pragma unroll
  for (int step = 0; step < D / 16; ++step) {
    uint32_t fa[2][4], fb[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      loadMatrices(fa[i], (fromA ^ step * 32) + i * 16 * (D * 2));
      loadMatrices(fb[i], (fromB ^ step * 32) + i * 16 * (D * 2));
    }
#pragma unroll
    for (int m = 0; m < 2; ++m) {
#pragma unroll
      for (int n = 0; n < 4; ++n) mma<Bf16>(d[m][n], fa[m], fb[n / 2][n % 2 * 2], fb[n / 2][n % 2 * 2 + 1]);
    }
  }
}

// d (32 x kColumns) += a (32 x 16) times rows [16 step, 16 step + 16) of a tile, columns from `column` on, a
// multiple of kColumns.
template <int D, int kColumns>
__device__ __forceinline__ void addProduct(float (&d)[2][kColumns / 8][4], const uint32_t (&a)[2][4],
                                           uint32_t tile, int column, int step, const LaneRows<D>& lanes) {
  const uint32_t from = (tile + step * 16 * (D * 2) + lanes.a) ^ column * 2;
#pragma unroll
  for (int c = 0; c < kColumns / 16; ++c) {
    uint32_t b[4];
    loadMatrices<4, true>(b, from ^ c * 32);
#pragma unroll
    for (int m = 0; m < 2; ++m) {
      mma<Bf16>(d[m][2 * c], a[m], b[0], b[1]);
      mma<Bf16>(d[m][2 * c + 1], a[m], b[2], b[3]);
    }
  }
}

template <int kOuter, int kInner>
__device__ __forceinline__ void clear(float (&d)[kOuter][kInner][4]) {
#pragma unroll
  for (int m = 0; m < kOuter; ++m) {
#pragma unroll
    for (int n = 0; n < kInner; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) d[m][n][e] = 0;
    }
  }
}

}  // namespace ibert::cuda
