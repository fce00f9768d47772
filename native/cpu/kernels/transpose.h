// Transposition in registers.
#pragma once

#include "matrix.h"

namespace ibert::cpu::IBERT_ISA {

// 16 x 16 floats in place, in four rounds: round s swaps the off-diagonal s x s blocks of each 2s x 2s block.
IBERT_INLINE void transpose16(Floats (&rows)[16]) {
  Floats t[16];
  for (int r = 0; r < 16; r += 2) {
    t[r] = __builtin_shufflevector(rows[r], rows[r + 1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28,
                                   14, 30);
    t[r + 1] = __builtin_shufflevector(rows[r], rows[r + 1], 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13,
                                       29, 15, 31);
  }
  for (int r = 0; r < 16; ++r) {
    if (r & 2) continue;
    rows[r] =
        __builtin_shufflevector(t[r], t[r + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    rows[r + 2] =
        __builtin_shufflevector(t[r], t[r + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  }
  for (int r = 0; r < 16; ++r) {
    if (r & 4) continue;
    t[r] = __builtin_shufflevector(rows[r], rows[r + 4], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26,
                                   27);
    t[r + 4] = __builtin_shufflevector(rows[r], rows[r + 4], 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28,
                                       29, 30, 31);
  }
  for (int r = 0; r < 8; ++r) {
    rows[r] = __builtin_shufflevector(t[r], t[r + 8], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    rows[r + 8] =
        __builtin_shufflevector(t[r], t[r + 8], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
}

// from[32 k][32 n] -> sink(n, half, the 16 columns k from 16 * half) for n < count.
template <class Sink>
IBERT_INLINE void transposeFloats(const float* from, int64_t count, Sink&& sink) {
  for (int n0 = 0; n0 < 32; n0 += 16) {
    for (int half = 0; half < 2; ++half) {
      Floats lanes[16];
      for (int k = 0; k < 16; ++k) lanes[k] = load<Floats>(from + (16 * half + k) * 32 + n0);
      transpose16(lanes);
      for (int n = 0; n < 16 && n0 + n < count; ++n) sink(n0 + n, half, lanes[n]);
    }
  }
}

#if defined(__AVX512BF16__)
// to[32][2] = (low[i], high[i]).
template <class Element>
IBERT_INLINE void interleave16(__m512i low, __m512i high, Element* to) {
  alignas(64) static constexpr uint16_t kOrder[64] = {
      0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
      11, 43, 12, 44, 13, 45, 14, 46, 15, 47, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53,
      22, 54, 23, 55, 24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63};
  _mm512_storeu_si512(to, _mm512_permutex2var_epi16(low, _mm512_load_si512(kOrder), high));
  _mm512_storeu_si512(to + 32, _mm512_permutex2var_epi16(low, _mm512_load_si512(kOrder + 32), high));
}

// Pairs along k become pairs along n: from[16 k/2][32 n][2] -> to[n/2][32 k][2], for the first ceil(count /
// 2) pairs.
//
// Four neighbouring 16-bit values are the 2 x 2 square (n, n+1) x (k, k+1). Transposing each square is one
// byte shuffle; the squares are then 64-bit elements of an 8 x 8 transposition.
IBERT_INLINE void transposePairs(const uint16_t* from, int64_t count, uint16_t* to) {
  const __m512i square =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
  for (int n0 = 0; n0 < count; n0 += 16) {
    for (int k0 = 0; k0 < 32; k0 += 16) {
      __m512i a[8], b[8];
      for (int i = 0; i < 8; ++i) {
        a[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(from + (k0 / 2 + i) * 64 + n0 * 2), square);
      }
      for (int i = 0; i < 8; i += 2) {
        b[i] = _mm512_unpacklo_epi64(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 1]);
      }
      // b[i] holds element columns (p, p+2, p+4, p+6) for p = i % 2, rows i / 2 * 2 and the next: 128-bit
      // parts.
      for (int odd = 0; odd < 2; ++odd) {
        const __m512i lowA = _mm512_shuffle_i32x4(b[odd], b[2 + odd], 0x88);
        const __m512i highA = _mm512_shuffle_i32x4(b[odd], b[2 + odd], 0xdd);
        const __m512i lowB = _mm512_shuffle_i32x4(b[4 + odd], b[6 + odd], 0x88);
        const __m512i highB = _mm512_shuffle_i32x4(b[4 + odd], b[6 + odd], 0xdd);
        const __m512i rows[4] = {
            _mm512_shuffle_i32x4(lowA, lowB, 0x88), _mm512_shuffle_i32x4(highA, highB, 0x88),
            _mm512_shuffle_i32x4(lowA, lowB, 0xdd), _mm512_shuffle_i32x4(highA, highB, 0xdd)};
        for (int p = 0; p < 4; ++p) {
          const int64_t pair = n0 / 2 + 2 * p + odd;
          if (2 * pair < count) _mm512_storeu_si512(to + pair * 64 + k0 * 2, rows[p]);
        }
      }
    }
  }
}
#endif

}  // namespace ibert::cpu::IBERT_ISA
