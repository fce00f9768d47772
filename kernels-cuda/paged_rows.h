// The keys and values that a warp of pagedAttention's fast kernel reads: pieces of kPiece positions in steps
// of sixteen, as operands of mma(). Two classes of one form, for caches of bf16 and of q8_0:
//   begin(rows, steps)             starts to read the keys of the piece
//   loadQ(q, row, aligned)         one row of queries in the order of the dimension that the keys are in
//   scores(step, d, q)             d[j] (query, position 8 j + ...) += q k^T of a step
//   sums(step, acc, weights)       acc[m] (column columnOf(m) + ..., query) += v^T weights^T of a step
// Each piece is scores(0..3), then sums(0..3). In comments g = lane / 4 and q = lane % 4.
#pragma once

#include "paged_cache.h"
#include "ptx.h"
#include "vector.h"

namespace ibert::cuda {

constexpr int kStep = 16, kSteps = 4, kPiece = kStep * kSteps;
// Where a position lies, in rows of the cache, of which memory holds fewer than 2^32. kNoRow: nowhere; it is
// read as zeros.
constexpr uint32_t kNoRow = ~0u;

__device__ __forceinline__ int laneOfWarp() {
  return threadIdx.x % 32;
}

__device__ __forceinline__ unsigned lowHalves(unsigned a, unsigned b) {
  return (a & 0xffffu) | b << 16;
}
__device__ __forceinline__ unsigned highHalves(unsigned a, unsigned b) {
  return a >> 16 | (b & 0xffff0000u);
}
__device__ __forceinline__ uint32_t bitsOf(Bf16 value) {
  return __bfloat16_as_ushort(value);
}

// Four bf16 values, one by one where they start off the grid of eight bytes.
__device__ __forceinline__ uint2 loadFour(const Bf16* from, bool aligned) {
  if (aligned) return *reinterpret_cast<const uint2*>(from);
  return make_uint2(bitsOf(from[0]) | bitsOf(from[1]) << 16, bitsOf(from[2]) | bitsOf(from[3]) << 16);
}
__device__ __forceinline__ uint4 loadEight(const Bf16* from, bool aligned) {
  if (aligned) return *reinterpret_cast<const uint4*>(from);
  const uint2 low = loadFour(from, false), high = loadFour(from + 4, false);
  return make_uint4(low.x, low.y, high.x, high.y);
}

// bf16: from global memory straight into the registers of mma(), sixteen bytes a lane, so that nothing waits
// for shared memory and the next step's loads are in flight while this one is multiplied. The order of the
// dimension in q k^T is free: lane q takes elements [8 q, 8 q + 8) of each 32 as two steps of mma(). A key's
// 64 bytes are whole sectors, a value's 128 a whole line. What v^T needs, two positions in a register, is put
// together by one instruction each.
template <int D>
class Bf16Rows {
 public:
  static constexpr int kSharedBytes = 0;

  __device__ Bf16Rows(const void* k, const void* v, bool aligned, char*)
      : k_(static_cast<const Bf16*>(k)), v_(static_cast<const Bf16*>(v)), aligned_(aligned) {}

  __device__ __forceinline__ void begin(const uint32_t* rows, int steps) {
    rows_ = rows;
    steps_ = steps;
    bringKeys(0);
  }

  __device__ static __forceinline__ void loadQ(uint32_t (&q)[D / 16][4], int half, const Bf16* row,
                                               bool aligned) {
#pragma unroll
    for (int s = 0; s < D / 32; ++s) {
      const uint4 words =
          row == nullptr ? make_uint4(0, 0, 0, 0) : loadEight(row + 32 * s + laneOfWarp() % 4 * 8, aligned);
      q[2 * s][half] = words.x, q[2 * s][half + 2] = words.y;
      q[2 * s + 1][half] = words.z, q[2 * s + 1][half + 2] = words.w;
    }
  }

  __device__ __forceinline__ void scores(int step, float (&d)[2][4], const uint32_t (&q)[D / 16][4]) {
    uint4 now[kHeld];
    take(now);
    if (step + 1 < kSteps)
      bringKeys(step + 1);
    else
      bringValues(0);
    if (step >= steps_) return;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
#pragma unroll
      for (int s = 0; s < D / 32; ++s) {
        const uint4& words = now[j * (D / 32) + s];
        mma<Bf16>(d[j], q[2 * s], words.x, words.y);
        mma<Bf16>(d[j], q[2 * s + 1], words.z, words.w);
      }
    }
  }

  template <int kTiles>
  __device__ __forceinline__ void sums(int step, float (&acc)[D / 16][kTiles][4],
                                       const float (&weights)[2][2 * kTiles]) {
    uint4 now[kHeld];
    take(now);
    if (step + 1 < kSteps) bringValues(step + 1);
    if (step >= steps_) return;
    uint32_t b[kTiles][2];
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      b[n][0] = pairOf(weights[0][2 * n], weights[0][2 * n + 1]);
      b[n][1] = pairOf(weights[1][2 * n], weights[1][2 * n + 1]);
    }
#pragma unroll
    for (int strip = 0; strip < D / 64; ++strip) {
      const uint4* at = now + strip * 4;
      const auto multiply = [&](int m, unsigned first, unsigned second, unsigned third, unsigned fourth) {
        const uint32_t a[4] = {lowHalves(first, second), highHalves(first, second), lowHalves(third, fourth),
                               highHalves(third, fourth)};
#pragma unroll
        for (int n = 0; n < kTiles; ++n) mma<Bf16>(acc[strip * 4 + m][n], a, b[n][0], b[n][1]);
      };
      multiply(0, at[0].x, at[1].x, at[2].x, at[3].x);
      multiply(1, at[0].y, at[1].y, at[2].y, at[3].y);
      multiply(2, at[0].z, at[1].z, at[2].z, at[3].z);
      multiply(3, at[0].w, at[1].w, at[2].w, at[3].w);
    }
  }

  // The first of the two columns that the lane has of acc[m].
  __device__ static __forceinline__ int columnOf(int m) {
    return m / 4 * 64 + laneOfWarp() / 4 * 8 + m % 4 * 2;
  }

 private:
  static constexpr int kHeld = D / 16;

  __device__ __forceinline__ void take(uint4 (&now)[kHeld]) const {
#pragma unroll
    for (int i = 0; i < kHeld; ++i) now[i] = held_[i];
  }
  __device__ __forceinline__ uint4 load(const Bf16* from, int position, int column) const {
    const uint32_t row = rows_[position];
    if (row == kNoRow) return make_uint4(0, 0, 0, 0);
    return loadEight(from + static_cast<int64_t>(row) * D + column, aligned_);
  }
  // Of positions 8 j + g.
  __device__ __forceinline__ void bringKeys(int step) {
    const int lane = laneOfWarp();
#pragma unroll
    for (int i = 0; i < kHeld; ++i)
      held_[i] = load(k_, step * kStep + i / (D / 32) * 8 + lane / 4, i % (D / 32) * 32 + lane % 4 * 8);
  }
  // Of positions 2 q, 2 q + 1, 2 q + 8, 2 q + 9.
  __device__ __forceinline__ void bringValues(int step) {
    const int lane = laneOfWarp();
#pragma unroll
    for (int i = 0; i < kHeld; ++i)
      held_[i] = load(v_, step * kStep + lane % 4 * 2 + i % 2 + i % 4 / 2 * 8, i / 4 * 64 + lane / 4 * 8);
  }

  const Bf16 *k_, *v_;
  bool aligned_;
  const uint32_t* rows_ = nullptr;
  int steps_ = 0;
  uint4 held_[kHeld];
};

// q8_0: a row of D / 32 blocks of 34 bytes lies on the grid of eight bytes (D = 128) or four, which is what
// asynchronous copies bring, seventeen a row, into a ring of kRing steps of the warp's own; three are in
// flight. Codes are exact in bf16. A key's scale multiplies the sum of its block, in float32, a value's the
// weight of its position. Rows in the ring are 36 or 20 words apart, so that the four-byte reads of a warp
// meet no bank twice.
template <int D>
class CodeRows {
 public:
  static constexpr int kBlocks = D / kCodes, kRowBytes = kBlocks * kCodesBytes, kUnit = kRowBytes / 17;
  static constexpr int kStride = D == 128 ? 144 : 80, kRing = 4, kItemBytes = kStep * kStride;
  static constexpr int kSharedBytes = kRing * kItemBytes;  // a warp
  static_assert(D == 64 || D == 128);

  __device__ CodeRows(const void* k, const void* v, bool aligned, char* ring)
      : k_(static_cast<const uint8_t*>(k)),
        v_(static_cast<const uint8_t*>(v)),
        aligned_(aligned),
        ring_(ring) {}

  __device__ __forceinline__ void begin(const uint32_t* rows, int steps) {
    rows_ = rows;
    steps_ = steps;
    for (int item = 0; item < kRing - 1; ++item) bring(item);
  }

  __device__ static __forceinline__ void loadQ(uint32_t (&q)[D / 16][4], int half, const Bf16* row,
                                               bool aligned) {
#pragma unroll
    for (int s = 0; s < D / 16; ++s) {
      const uint2 words =
          row == nullptr ? make_uint2(0, 0) : loadFour(row + 16 * s + laneOfWarp() % 4 * 4, aligned);
      q[s][half] = words.x, q[s][half + 2] = words.y;
    }
  }

  __device__ __forceinline__ void scores(int step, float (&d)[2][4], const uint32_t (&q)[D / 16][4]) {
    const char* item = next(step);
    if (step >= steps_) return;
    const int g = laneOfWarp() / 4, lane4 = laneOfWarp() % 4;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const char* row = item + (8 * j + g) * kStride;
#pragma unroll
      for (int s = 0; s < kBlocks; ++s) {
        float block[4] = {0, 0, 0, 0};
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const unsigned codes = codesAt(row, s, lane4 + half * 4);
          mma<Bf16>(block, q[2 * s + half], pairOfCodes(codeOf(codes, 0), codeOf(codes, 1)),
                    pairOfCodes(codeOf(codes, 2), codeOf(codes, 3)));
        }
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const float scale = scaleAt(item + (8 * j + 2 * lane4 + i) * kStride, s);
          d[j][i] = fmaf(scale, block[i], d[j][i]);
          d[j][i + 2] = fmaf(scale, block[i + 2], d[j][i + 2]);
        }
      }
    }
  }

  template <int kTiles>
  __device__ __forceinline__ void sums(int step, float (&acc)[D / 16][kTiles][4],
                                       const float (&weights)[2][2 * kTiles]) {
    const char* item = next(kSteps + step);
    if (step >= steps_) return;
    const int g = laneOfWarp() / 4, lane4 = laneOfWarp() % 4;
#pragma unroll
    for (int s = 0; s < kBlocks; ++s) {
      unsigned codes[4];
      float scales[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const char* row = item + (2 * lane4 + i % 2 + i / 2 * 8) * kStride;
        codes[i] = codesAt(row, s, g);
        scales[i] = scaleAt(row, s);
      }
      uint32_t b[kTiles][2];
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        b[n][0] = pairOf(weights[0][2 * n] * scales[0], weights[0][2 * n + 1] * scales[1]);
        b[n][1] = pairOf(weights[1][2 * n] * scales[2], weights[1][2 * n + 1] * scales[3]);
      }
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        uint32_t a[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int pair = i / 2 * 2, code = half * 2 + i % 2;
          a[i] = pairOfCodes(codeOf(codes[pair], code), codeOf(codes[pair + 1], code));
        }
#pragma unroll
        for (int n = 0; n < kTiles; ++n) mma<Bf16>(acc[s * 2 + half][n], a, b[n][0], b[n][1]);
      }
    }
  }

  __device__ static __forceinline__ int columnOf(int m) {
    return m / 2 * 32 + laneOfWarp() / 4 * 4 + m % 2 * 2;
  }

 private:
  // Items 0 to 3 are the keys of the steps, 4 to 7 their values.
  __device__ __forceinline__ void bring(int item) {
    const int step = item % kSteps;
    if (item < 2 * kSteps && step < steps_) {
      const uint8_t* from = item < kSteps ? k_ : v_;
      char* to = ring_ + item % kRing * kItemBytes;
      const int lane = laneOfWarp();
#pragma unroll
      for (int i = 0; i < kStep / 2; ++i) bringUnit(to, from, step, 2 * i + lane / 16, lane % 16);
      if (lane < kStep) bringUnit(to, from, step, lane, 16);
    }
    commitCopies();
  }
  __device__ __forceinline__ void bringUnit(char* to, const uint8_t* from, int step, int row,
                                            int unit) const {
    const uint32_t at = rows_[step * kStep + row];
    const uint8_t* source = from + (at == kNoRow ? 0 : static_cast<int64_t>(at) * kRowBytes + unit * kUnit);
    to += row * kStride + unit * kUnit;
    if (aligned_) {
      copyAsync<kUnit>(sharedAddress(to), source, at == kNoRow ? 0 : kUnit);
    } else {
#pragma unroll 1
      for (int i = 0; i < kUnit; i += 2)
        *reinterpret_cast<uint16_t*>(to + i) =
            at == kNoRow ? uint16_t{0} : *reinterpret_cast<const uint16_t*>(source + i);
    }
  }
  // Waits for an item, and then starts the one that takes the place of the item before it, which all lanes
  // have read.
  __device__ __forceinline__ const char* next(int item) {
    waitForCopies<kRing - 2>();
    __syncwarp();
    bring(item + kRing - 1);
    return ring_ + item % kRing * kItemBytes;
  }

  // Codes [4 word, 4 word + 4) of block s of a row: every other block's lie across the grid of four bytes.
  __device__ static __forceinline__ unsigned codesAt(const char* row, int s, int word) {
    const auto* words = reinterpret_cast<const unsigned*>(row) + s * kCodesBytes / 4 + word;
    return s % 2 == 0 ? highHalves(words[0], words[1] << 16) : words[1];
  }
  __device__ static __forceinline__ float scaleAt(const char* row, int s) {
    return __half2float(*reinterpret_cast<const __half*>(row + s * kCodesBytes));
  }
  // As float32: 2^23 + 128 + code is exact, and cheaper than a conversion, of which an SM does sixteen a
  // cycle.
  __device__ static __forceinline__ unsigned codeOf(unsigned codes, int i) {
    const unsigned positive = codes ^ 0x80808080u;
    return __float_as_uint(__uint_as_float(0x4b000000u | (positive >> (8 * i) & 0xffu)) - 8388736.0f);
  }
  // Their upper halves as bf16, which have all bits of a code.
  __device__ static __forceinline__ uint32_t pairOfCodes(unsigned low, unsigned high) {
    return highHalves(low, high);
  }

  const uint8_t *k_, *v_;
  bool aligned_;
  char* ring_;
  const uint32_t* rows_ = nullptr;
  int steps_ = 0;
};

}  // namespace ibert::cuda
