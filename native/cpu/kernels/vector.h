// Sixteen lanes, whatever the machine's registers: the compiler splits these vectors where registers are
// narrower. So elementwise code is one source for every instruction set.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "../../tensor.h"

#define IBERT_INLINE static inline __attribute__((always_inline))

namespace ibert::cpu::IBERT_ISA {

constexpr int kLanes = 16;
typedef float Floats __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));
typedef int32_t Ints32 __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));
typedef uint8_t Bytes16 __attribute__((vector_size(16)));
typedef int8_t SignedBytes16 __attribute__((vector_size(16)));

template <class Vector>
IBERT_INLINE Vector load(const void* from) {
  Vector v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <class Vector>
IBERT_INLINE void store(void* to, Vector v) {
  std::memcpy(to, &v, sizeof v);
}

IBERT_INLINE Floats splat(float x) {
  return Floats{} + x;
}
IBERT_INLINE Floats asFloats(Words w) {
  return (Floats)w;
}
IBERT_INLINE Words asWords(Floats f) {
  return (Words)f;
}
IBERT_INLINE Floats toFloats(Words w) {
  return __builtin_convertvector((Ints32)w, Floats);
}  // values below 2^31
// All bits where a > b, of numbers below 2^31. The compiler compares vectors that it splits lane by lane, in
// scalars.
IBERT_INLINE Words above(Words a, Words b) {
  return (Words)((Ints32)(b - a) >> 31);
}
#if defined(__AVX2__) && !defined(__AVX512F__)
template <class Part>
IBERT_INLINE Floats joined(Part low, Part high) {
  static_assert(sizeof(Part) == 32);
  Floats both;
  std::memcpy(&both, &low, 32);
  std::memcpy(reinterpret_cast<char*>(&both) + 32, &high, 32);
  return both;
}
#endif
IBERT_INLINE Words widen(Halves h) {
#if defined(__AVX512F__)
  return (Words)_mm512_cvtepu16_epi32((__m256i)h);
#else
  return __builtin_convertvector(h, Words);
#endif
}
// Sixteen bytes as numbers.
IBERT_INLINE Floats bytesToFloats(const uint8_t* from) {
#if defined(__AVX512F__)
  return (Floats)_mm512_cvtepi32_ps(
      _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
  const auto eight = [from](int at) {
    return _mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + at))));
  };
  return joined(eight(0), eight(8));
#else
  return __builtin_convertvector(__builtin_convertvector(load<Bytes16>(from), Ints32), Floats);
#endif
}
IBERT_INLINE Floats signedBytesToFloats(const uint8_t* from) {
#if defined(__AVX512F__)
  return (Floats)_mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
  const auto eight = [from](int at) {
    return _mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + at))));
  };
  return joined(eight(0), eight(8));
#else
  return __builtin_convertvector(__builtin_convertvector(load<SignedBytes16>(from), Ints32), Floats);
#endif
}
IBERT_INLINE Halves narrow(Words w) {
#if defined(__AVX512F__)
  return (Halves)_mm512_cvtepi32_epi16((__m512i)w);
#else
  return __builtin_convertvector(w, Halves);
#endif
}
IBERT_INLINE Words select(Words mask, Words yes, Words no) {
  return (yes & mask) | (no & ~mask);
}

// bf16 bits in the upper half of each lane, rounded to nearest even; a NaN stays a NaN.
IBERT_INLINE Words roundToBf16(Floats f) {
  const Words bits = asWords(f);
  const Words rounded = bits + (0x7fffu + ((bits >> 16) & 1u));
  const Words nan = above(bits & 0x7fffffffu, Words{} + 0x7f800000u);
  return select(nan, bits | 0x400000u, rounded);
}
// Rounds subnormals too, which the hardware's conversion flushes to zero.
IBERT_INLINE Halves toBf16Exactly(Floats f) {
  return narrow(roundToBf16(f) >> 16);
}
IBERT_INLINE Halves toBf16(Floats f) {
#if defined(__AVX512BF16__)
  return (Halves)_mm512_cvtneps_pbh((__m512)f);
#else
  return toBf16Exactly(f);
#endif
}
// The pairs (low lane, high lane) as bf16, low half first.
IBERT_INLINE Words toBf16Pairs(Floats low, Floats high) {
#if defined(__AVX512BF16__)
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7,
                                         22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return (Words)_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low));
#else
  return (roundToBf16(low) >> 16) | (roundToBf16(high) & 0xffff0000u);
#endif
}
IBERT_INLINE Floats fromBf16(Halves h) {
  return asFloats(widen(h) << 16);
}

// IEEE half to float; the multiplication by 2^112 moves the exponent and makes subnormals normal.
IBERT_INLINE Floats fromF16(Halves h) {
#if defined(__AVX512F__)
  return (Floats)_mm512_cvtph_ps((__m256i)h);
#elif defined(__F16C__)
  return joined(_mm256_cvtph_ps(_mm256_castsi256_si128((__m256i)h)),
                _mm256_cvtph_ps(_mm256_extracti128_si256((__m256i)h, 1)));
#else
  const Words w = widen(h);
  const Words magnitude = w & 0x7fffu;
  const Words finite = asWords(asFloats(magnitude << 13) * 0x1p112f);
  const Words special = above(magnitude, Words{} + 0x7bffu);
  return asFloats(select(special, (magnitude << 13) | 0x7f800000u, finite) | ((w & 0x8000u) << 16));
#endif
}

IBERT_INLINE float scalarFromBf16(uint16_t h) {
  const uint32_t bits = static_cast<uint32_t>(h) << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
IBERT_INLINE uint16_t scalarToBf16(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits | 0x400000u) >> 16);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
IBERT_INLINE float scalarFromF16(uint16_t h) {
#if defined(__F16C__)
  return _cvtsh_ss(h);
#else
  Halves lanes{};
  lanes[0] = h;
  return fromF16(lanes)[0];
#endif
}

// Rounded to nearest even.
IBERT_INLINE uint16_t scalarToF16(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  const uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // rounds to 2^16 or more
  if (magnitude < 0x38800000u) {
    // Subnormal: adding 0.5 aligns the last place of a half with that of a float.
    float aligned;
    std::memcpy(&aligned, &magnitude, 4);
    aligned += 0.5f;
    uint32_t out;
    std::memcpy(&out, &aligned, 4);
    return static_cast<uint16_t>(sign | (out - 0x3f000000u));
  }
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13));
}

// Element i of a bf16 or f32 array.
IBERT_INLINE float element(const void* data, bool bf16, int64_t i) {
  return bf16 ? scalarFromBf16(static_cast<const uint16_t*>(data)[i]) : static_cast<const float*>(data)[i];
}

// Sixteen elements of a bf16 or f32 array; `count` may be less than 16 and the rest is 0.
IBERT_INLINE Floats loadElements(const void* data, bool bf16, int64_t i, int64_t count) {
  if (count >= kLanes) {
    return bf16 ? fromBf16(load<Halves>(static_cast<const uint16_t*>(data) + i))
                : load<Floats>(static_cast<const float*>(data) + i);
  }
  Floats v{};
  for (int64_t lane = 0; lane < count; ++lane) v[lane] = element(data, bf16, i + lane);
  return v;
}
IBERT_INLINE void storeElements(void* data, bool bf16, int64_t i, int64_t count, Floats v) {
  if (count >= kLanes) {
    if (bf16) {
      store(static_cast<uint16_t*>(data) + i, toBf16(v));
    } else {
      store(static_cast<float*>(data) + i, v);
    }
    return;
  }
  for (int64_t lane = 0; lane < count; ++lane) {
    if (bf16) {
      static_cast<uint16_t*>(data)[i + lane] = scalarToBf16(v[lane]);
    } else {
      static_cast<float*>(data)[i + lane] = v[lane];
    }
  }
}

}  // namespace ibert::cpu::IBERT_ISA
