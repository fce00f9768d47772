// Vec for AVX-512 (F, BW, VL, DQ): 16 lanes, tails by mask.
#pragma once

// GCC 12 takes the deliberately undefined operands inside its own intrinsics for mistakes (its bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

namespace ibert::cpu::IBERT_ISA {

constexpr int kWidth = 16;
constexpr int kRegisters = 32;

struct Vec {
  __m512 v;
};

inline __mmask16 tailMask(int lanes) {
  return static_cast<__mmask16>((1u << lanes) - 1);
}

inline Vec broadcast(float x) {
  return {_mm512_set1_ps(x)};
}
inline Vec load(const float* p) {
  return {_mm512_loadu_ps(p)};
}
inline Vec loadTail(const float* p, int lanes) {
  return {_mm512_maskz_loadu_ps(tailMask(lanes), p)};
}
inline void store(float* p, Vec a) {
  _mm512_storeu_ps(p, a.v);
}
inline void storeTail(float* p, Vec a, int lanes) {
  _mm512_mask_storeu_ps(p, tailMask(lanes), a.v);
}

inline Vec widenBf16(__m256i bits) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
inline Vec load(const Bf16* p) {
  return widenBf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Vec loadTail(const Bf16* p, int lanes) {
  return widenBf16(_mm256_maskz_loadu_epi16(tailMask(lanes), p));
}

inline Vec loadCodes(const int8_t* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}

// The bf16 of each lane in the low half of a 32-bit lane.
#if !defined(__AVX512BF16__)
inline __m512i roundBf16(Vec a) {
  const __m512i bits = _mm512_castps_si512(a.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded =
      _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  // Rounding could carry a NaN's payload away: keep its top bits and make it quiet.
  const __m512i quiet = _mm512_or_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x40));
  return _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), quiet);
}
#endif
inline __m256i narrowBf16(Vec a) {
#if defined(__AVX512BF16__)
  return (__m256i)_mm512_cvtneps_pbh(a.v);
#else
  return _mm512_cvtepi32_epi16(roundBf16(a));
#endif
}
inline void store(Bf16* p, Vec a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrowBf16(a));
}
inline void storeTail(Bf16* p, Vec a, int lanes) {
  _mm256_mask_storeu_epi16(p, tailMask(lanes), narrowBf16(a));
}

inline Vec operator+(Vec a, Vec b) {
  return {_mm512_add_ps(a.v, b.v)};
}
inline Vec operator-(Vec a, Vec b) {
  return {_mm512_sub_ps(a.v, b.v)};
}
inline Vec operator*(Vec a, Vec b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
inline Vec operator/(Vec a, Vec b) {
  return {_mm512_div_ps(a.v, b.v)};
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
inline Vec squareRoot(Vec a) {
  return {_mm512_sqrt_ps(a.v)};
}
// b where either is NaN.
inline Vec max(Vec a, Vec b) {
  return {_mm512_max_ps(a.v, b.v)};
}
inline Vec min(Vec a, Vec b) {
  return {_mm512_min_ps(a.v, b.v)};
}
// x <= y ? a : b
inline Vec selectLessEqual(Vec x, Vec y, Vec a, Vec b) {
  return {_mm512_mask_mov_ps(b.v, _mm512_cmp_ps_mask(x.v, y.v, _CMP_LE_OQ), a.v)};
}

inline float sum(Vec a) {
  return _mm512_reduce_add_ps(a.v);
}
inline float highest(Vec a) {
  return _mm512_reduce_max_ps(a.v);
}

// The nearest integer n, and x - n; the latter is 0 for an infinite x, whose 2^x is all in n.
inline Vec splitExponent(Vec x, Vec& n) {
  n = {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  return {_mm512_reduce_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Vec scaleByExponent(Vec p, Vec n) {
  return {_mm512_scalef_ps(p.v, n.v)};
}

// 16 x 16 in place.
inline void transposeSquare(Vec (&rows)[kWidth]) {
  __m512 a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(rows[i].v, rows[i + 1].v);
    a[i + 1] = _mm512_unpackhi_ps(rows[i].v, rows[i + 1].v);
  }
  const auto low = [](__m512 x, __m512 y) {
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
  };
  const auto high = [](__m512 x, __m512 y) {
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
  };
  for (int i = 0; i < 16; i += 4) {
    b[i] = low(a[i], a[i + 2]);
    b[i + 1] = high(a[i], a[i + 2]);
    b[i + 2] = low(a[i + 1], a[i + 3]);
    b[i + 3] = high(a[i + 1], a[i + 3]);
  }
  // b[4q + c] holds columns c, c + 4, c + 8, c + 12 of rows 4q .. 4q + 3: now 128-bit parts change places.
  for (int c = 0; c < 4; ++c) {
    const __m512 even = _mm512_shuffle_f32x4(b[c], b[4 + c], 0x88),
                 odd = _mm512_shuffle_f32x4(b[c], b[4 + c], 0xdd);
    const __m512 even2 = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0x88);
    const __m512 odd2 = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0xdd);
    rows[c].v = _mm512_shuffle_f32x4(even, even2, 0x88);
    rows[4 + c].v = _mm512_shuffle_f32x4(odd, odd2, 0x88);
    rows[8 + c].v = _mm512_shuffle_f32x4(even, even2, 0xdd);
    rows[12 + c].v = _mm512_shuffle_f32x4(odd, odd2, 0xdd);
  }
}

// Sums squares in float64.
struct SquareSum {
  __m512d low = _mm512_setzero_pd();
  __m512d high = _mm512_setzero_pd();

  void add(Vec a) {
    const __m512d x = _mm512_cvtps_pd(_mm512_castps512_ps256(a.v));
    const __m512d y = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1));
    low = _mm512_fmadd_pd(x, x, low);
    high = _mm512_fmadd_pd(y, y, high);
  }
  double total() const { return _mm512_reduce_add_pd(_mm512_add_pd(low, high)); }
};

#if defined(__AVX512BF16__)
// Two bf16 of consecutive k in one 32-bit lane: what tiles multiply, and vdpbf16ps, which is twice the work
// of an FMA except on the AMX machines, where it has half of the FMA's rate in flops.
#define IBERT_PAIR_DOT 1
struct Pairs {
  __m512i v;
};
inline Pairs loadPairs(const uint32_t* p) {
  return {_mm512_loadu_si512(p)};
}
inline Pairs broadcastPair(uint32_t pair) {
  return {_mm512_set1_epi32(static_cast<int>(pair))};
}
inline void storePairs(uint32_t* p, Pairs a) {
  _mm512_storeu_si512(p, a.v);
}
inline Vec dot(Pairs a, Pairs b, Vec c) {
  return {_mm512_dpbf16_ps(c.v, (__m512bh)a.v, (__m512bh)b.v)};
}
// Lane i becomes (even[i], odd[i]), rounded to bf16.
inline Pairs joinPairs(Vec even, Vec odd) {
  const __m512i low = _mm512_cvtepu16_epi32(narrowBf16(even));
  const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(narrowBf16(odd)), 16);
  return {_mm512_or_si512(low, high)};
}
// The same for values that are bf16 already.
inline Pairs joinExact(Vec even, Vec odd) {
  return {_mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(even.v), 16), _mm512_castps_si512(odd.v))};
}
#endif

}  // namespace ibert::cpu::IBERT_ISA
