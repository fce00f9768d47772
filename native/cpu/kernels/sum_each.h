// The sums of kWidth vectors, as one vector: what dot products over long rows end in.
#pragma once

#include "simd.h"

namespace ibert::cpu::IBERT_ISA {

#if defined(__AVX512F__) && !defined(IBERT_LEVEL_generic)

// Each step adds the two halves of vectors, side by side: three instructions for two vectors, where a
// transpose and sixteen additions take five.
inline Vec sumEach(Vec (&rows)[kWidth]) {
  __m512 v[8];
  for (int i = 0; i < 8; ++i) {  // halves: rows i, i + 8
    v[i] = _mm512_add_ps(_mm512_shuffle_f32x4(rows[i].v, rows[i + 8].v, 0x44),
                         _mm512_shuffle_f32x4(rows[i].v, rows[i + 8].v, 0xee));
  }
  for (int i = 0; i < 4; ++i) {  // quarters: rows i, i + 8, i + 4, i + 12
    v[i] =
        _mm512_add_ps(_mm512_shuffle_f32x4(v[i], v[i + 4], 0x88), _mm512_shuffle_f32x4(v[i], v[i + 4], 0xdd));
  }
  const auto within = [](__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  };
  const __m512 sums = within(within(v[0], v[2]), within(v[1], v[3]));
  return {_mm512_shuffle_f32x4(sums, sums, 0xd8)};
}

#elif defined(__AVX2__) && !defined(IBERT_LEVEL_generic)

inline Vec sumEach(Vec (&rows)[kWidth]) {
  __m256 v[4];
  for (int i = 0; i < 4; ++i) {  // halves: rows i, i + 4
    v[i] = _mm256_add_ps(_mm256_permute2f128_ps(rows[i].v, rows[i + 4].v, 0x20),
                         _mm256_permute2f128_ps(rows[i].v, rows[i + 4].v, 0x31));
  }
  const auto within = [](__m256 a, __m256 b) {
    return _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
  };
  return {within(within(v[0], v[2]), within(v[1], v[3]))};
}

#else

inline Vec sumEach(Vec (&rows)[kWidth]) {
  transposeSquare(rows);
  for (int width = kWidth / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) rows[i] += rows[i + width];
  }
  return rows[0];
}

#endif

}  // namespace ibert::cpu::IBERT_ISA
