// Vec for AVX2 with FMA: 8 lanes.
#pragma once

#include <immintrin.h>

namespace ibert::cpu::IBERT_ISA {

constexpr int kWidth = 8;
constexpr int kRegisters = 16;

struct Vec {
  __m256 v;
};

// The first `lanes` lanes all ones.
inline __m256i tailMask(int lanes) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline Vec broadcast(float x) {
  return {_mm256_set1_ps(x)};
}
inline Vec load(const float* p) {
  return {_mm256_loadu_ps(p)};
}
inline Vec loadTail(const float* p, int lanes) {
  return {_mm256_maskload_ps(p, tailMask(lanes))};
}
inline void store(float* p, Vec a) {
  _mm256_storeu_ps(p, a.v);
}
inline void storeTail(float* p, Vec a, int lanes) {
  _mm256_maskstore_ps(p, tailMask(lanes), a.v);
}

inline Vec widenBf16(__m128i bits) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16))};
}
inline Vec load(const Bf16* p) {
  return widenBf16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
// No 16-bit masked load here: the tail goes through a small buffer.
inline Vec loadTail(const Bf16* p, int lanes) {
  alignas(16) Bf16 buffer[kWidth] = {};
  std::memcpy(buffer, p, static_cast<size_t>(lanes) * sizeof(Bf16));
  return load(buffer);
}

inline Vec loadCodes(const int8_t* p) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
}

inline __m128i narrowBf16(Vec a) {
  const __m256i bits = _mm256_castps_si256(a.v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded =
      _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  // Rounding could carry a NaN's payload away: keep its top bits and make it quiet.
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q));
  const __m256i chosen = _mm256_blendv_epi8(rounded, quiet, nan);
  return _mm_packus_epi32(_mm256_castsi256_si128(chosen), _mm256_extracti128_si256(chosen, 1));
}
inline void store(Bf16* p, Vec a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrowBf16(a));
}
inline void storeTail(Bf16* p, Vec a, int lanes) {
  alignas(16) Bf16 buffer[kWidth];
  store(buffer, a);
  std::memcpy(p, buffer, static_cast<size_t>(lanes) * sizeof(Bf16));
}

inline Vec operator+(Vec a, Vec b) {
  return {_mm256_add_ps(a.v, b.v)};
}
inline Vec operator-(Vec a, Vec b) {
  return {_mm256_sub_ps(a.v, b.v)};
}
inline Vec operator*(Vec a, Vec b) {
  return {_mm256_mul_ps(a.v, b.v)};
}
inline Vec operator/(Vec a, Vec b) {
  return {_mm256_div_ps(a.v, b.v)};
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.v, b.v, c.v)};
}
inline Vec squareRoot(Vec a) {
  return {_mm256_sqrt_ps(a.v)};
}
// b where either is NaN.
inline Vec max(Vec a, Vec b) {
  return {_mm256_max_ps(a.v, b.v)};
}
inline Vec min(Vec a, Vec b) {
  return {_mm256_min_ps(a.v, b.v)};
}
// x <= y ? a : b
inline Vec selectLessEqual(Vec x, Vec y, Vec a, Vec b) {
  return {_mm256_blendv_ps(b.v, a.v, _mm256_cmp_ps(x.v, y.v, _CMP_LE_OQ))};
}

inline float sum(Vec a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
inline float highest(Vec a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

// The nearest integer n within [-127, 128] (an exponent of -127 makes the scale 0, one of 128 makes it
// infinite), and x - n for x held within the same bounds.
inline Vec splitExponent(Vec x, Vec& n) {
  x = max(broadcast(-127.0f), min(broadcast(128.0f), x));
  n = {_mm256_round_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  return x - n;
}
inline Vec scaleByExponent(Vec p, Vec n) {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127));
  return p * Vec{_mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23))};
}

// 8 x 8 in place.
inline void transposeSquare(Vec (&rows)[kWidth]) {
  __m256 a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(rows[i].v, rows[i + 1].v);
    a[i + 1] = _mm256_unpackhi_ps(rows[i].v, rows[i + 1].v);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
  for (int c = 0; c < 4; ++c) {
    rows[c].v = _mm256_permute2f128_ps(b[c], b[4 + c], 0x20);
    rows[4 + c].v = _mm256_permute2f128_ps(b[c], b[4 + c], 0x31);
  }
}

// Sums squares in float64.
struct SquareSum {
  __m256d low = _mm256_setzero_pd();
  __m256d high = _mm256_setzero_pd();

  void add(Vec a) {
    const __m256d x = _mm256_cvtps_pd(_mm256_castps256_ps128(a.v));
    const __m256d y = _mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1));
    low = _mm256_fmadd_pd(x, x, low);
    high = _mm256_fmadd_pd(y, y, high);
  }
  double total() const {
    alignas(32) double lane[4];
    _mm256_store_pd(lane, _mm256_add_pd(low, high));
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
  }
};

}  // namespace ibert::cpu::IBERT_ISA
