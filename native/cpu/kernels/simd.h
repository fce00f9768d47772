// One thin vector of floats per instruction set, so that an elementwise kernel is one source compiled for
// each.
//
// `Vec` holds kWidth float32 lanes. The level follows the compiler's target flags, except that the level
// named "generic" is always the portable one. bf16 is converted on load and store: to nearest, ties to even,
// NaN kept. The hardware conversion of AVX512-BF16 flushes subnormals to zero, the integer one keeps them:
// one path always uses one of the two, also for the tail of a row (loadPart and storePart), so that a value
// never depends on its place. loadCodes reads kWidth signed bytes.
#pragma once

#include <cstdint>
#include <cstring>

#ifndef IBERT_ISA
#error "a kernel source is compiled once per instruction set, with -DIBERT_ISA=<name>"
#endif

namespace ibert::cpu::IBERT_ISA {

struct Bf16 {
  uint16_t bits;
};

inline float toFloat(float value) {
  return value;
}
inline float toFloat(Bf16 value) {
  const uint32_t bits = uint32_t{value.bits} << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

}  // namespace ibert::cpu::IBERT_ISA

#if defined(IBERT_LEVEL_generic)
#include "simd_generic.h"
#elif defined(__AVX512F__)
#include "simd_avx512.h"
#elif defined(__AVX2__)
#include "simd_avx2.h"
#elif defined(__ARM_NEON)
#include "simd_neon.h"
#else
#include "simd_generic.h"
#endif

namespace ibert::cpu::IBERT_ISA {

inline Vec operator+=(Vec& a, Vec b) {
  return a = a + b;
}

// 2^x for |r| <= 1/2: the minimax polynomial of degree 6 with p(0) = 1, relative error 2e-9 before rounding.
inline Vec exp2Fraction(Vec r) {
  Vec p = broadcast(0x1.41fbbcp-13f);
  p = fma(p, r, broadcast(0x1.5f3e54p-10f));
  p = fma(p, r, broadcast(0x1.3b2d4cp-7f));
  p = fma(p, r, broadcast(0x1.c6aee8p-5f));
  p = fma(p, r, broadcast(0x1.ebfbdcp-3f));
  p = fma(p, r, broadcast(0x1.62e430p-1f));
  return fma(p, r, broadcast(1.0f));
}

// e^r for |r| <= ln(2)/2, by the same method.
inline Vec expFraction(Vec r) {
  Vec p = broadcast(0x1.6ae724p-10f);
  p = fma(p, r, broadcast(0x1.12678ep-7f));
  p = fma(p, r, broadcast(0x1.555822p-5f));
  p = fma(p, r, broadcast(0x1.55541ap-3f));
  p = fma(p, r, broadcast(0x1.fffffcp-2f));
  p = fma(p, r, broadcast(1.0f));
  return fma(p, r, broadcast(1.0f));
}

// 2^x within 1 ulp; 0 below the normal numbers, infinite above them, NaN for NaN.
inline Vec exp2(Vec x) {
  Vec n;
  const Vec r = splitExponent(x, n);
  return scaleByExponent(exp2Fraction(r), n);
}

// e^x within 1 ulp; 0 below the normal numbers, infinite above them, NaN for NaN. ln(2) is split so that its
// high part times n is exact.
inline Vec exp(Vec x) {
  x = max(broadcast(-104.0f), min(broadcast(104.0f), x));
  Vec n;
  splitExponent(x * broadcast(0x1.715476p+0f), n);
  const Vec r = fma(n, broadcast(-0x1.7f7d1cp-20f), fma(n, broadcast(-0x1.62e400p-1f), x));
  return scaleByExponent(expFraction(r), n);
}

inline Vec sigmoid(Vec x) {
  return broadcast(1.0f) / (broadcast(1.0f) + exp(broadcast(0.0f) - x));
}

// Calls body(i, lanes) for whole vectors of [0, count) and once for what is left; `lanes` is then below
// kWidth. Body loads and stores with loadPart and storePart, which are the plain ones when lanes == kWidth.
template <class T>
inline Vec loadPart(const T* p, int64_t lanes) {
  return lanes >= kWidth ? load(p) : loadTail(p, static_cast<int>(lanes));
}
template <class T>
inline void storePart(T* p, Vec v, int64_t lanes) {
  if (lanes >= kWidth) {
    store(p, v);
  } else {
    storeTail(p, v, static_cast<int>(lanes));
  }
}
template <class Body>
inline void forVectors(int64_t count, Body&& body) {
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) body(i, kWidth);
  if (i < count) body(i, count - i);
}

}  // namespace ibert::cpu::IBERT_ISA
