// Vec for AArch64's Advanced SIMD: 4 lanes, 32 registers.
#pragma once

#include <arm_neon.h>

namespace ibert::cpu::IBERT_ISA {

constexpr int kWidth = 4;
constexpr int kRegisters = 32;

struct Vec {
  float32x4_t v;
};

inline Vec broadcast(float x) {
  return {vdupq_n_f32(x)};
}
inline Vec load(const float* p) {
  return {vld1q_f32(p)};
}
inline void store(float* p, Vec a) {
  vst1q_f32(p, a.v);
}
// No masked load here: tails go through a small buffer.
inline Vec loadTail(const float* p, int lanes) {
  float buffer[kWidth] = {};
  std::memcpy(buffer, p, static_cast<size_t>(lanes) * sizeof(float));
  return load(buffer);
}
inline void storeTail(float* p, Vec a, int lanes) {
  float buffer[kWidth];
  store(buffer, a);
  std::memcpy(p, buffer, static_cast<size_t>(lanes) * sizeof(float));
}

inline Vec load(const Bf16* p) {
  return {vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(&p->bits), 16))};
}
inline Vec loadTail(const Bf16* p, int lanes) {
  Bf16 buffer[kWidth] = {};
  std::memcpy(buffer, p, static_cast<size_t>(lanes) * sizeof(Bf16));
  return load(buffer);
}
inline Vec loadCodes(const int8_t* p) {
  int32_t four;
  std::memcpy(&four, p, sizeof four);
  const int16x8_t wide = vmovl_s8(vcreate_s8(static_cast<uint32_t>(four)));
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)))};
}

inline uint16x4_t narrowBf16(Vec a) {
  const uint32x4_t bits = vreinterpretq_u32_f32(a.v);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vshrq_n_u32(vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff))), 16);
  // Rounding could carry a NaN's payload away: keep its top bits and make it quiet.
  const uint32x4_t quiet = vorrq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(0x40));
  return vmovn_u32(vbslq_u32(vceqq_f32(a.v, a.v), rounded, quiet));
}
inline void store(Bf16* p, Vec a) {
  vst1_u16(&p->bits, narrowBf16(a));
}
inline void storeTail(Bf16* p, Vec a, int lanes) {
  Bf16 buffer[kWidth];
  store(buffer, a);
  std::memcpy(p, buffer, static_cast<size_t>(lanes) * sizeof(Bf16));
}

inline Vec operator+(Vec a, Vec b) {
  return {vaddq_f32(a.v, b.v)};
}
inline Vec operator-(Vec a, Vec b) {
  return {vsubq_f32(a.v, b.v)};
}
inline Vec operator*(Vec a, Vec b) {
  return {vmulq_f32(a.v, b.v)};
}
inline Vec operator/(Vec a, Vec b) {
  return {vdivq_f32(a.v, b.v)};
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return {vfmaq_f32(c.v, a.v, b.v)};
}
inline Vec squareRoot(Vec a) {
  return {vsqrtq_f32(a.v)};
}
// x <= y ? a : b
inline Vec selectLessEqual(Vec x, Vec y, Vec a, Vec b) {
  return {vbslq_f32(vcleq_f32(x.v, y.v), a.v, b.v)};
}
// b where either is NaN.
inline Vec max(Vec a, Vec b) {
  return {vbslq_f32(vcgtq_f32(a.v, b.v), a.v, b.v)};
}
inline Vec min(Vec a, Vec b) {
  return {vbslq_f32(vcltq_f32(a.v, b.v), a.v, b.v)};
}

inline float sum(Vec a) {
  return vaddvq_f32(a.v);
}
inline float highest(Vec a) {
  return vmaxvq_f32(a.v);
}

// The nearest integer n within [-127, 128] (an exponent of -127 makes the scale 0, one of 128 makes it
// infinite), and x - n for x held within the same bounds.
inline Vec splitExponent(Vec x, Vec& n) {
  x = max(broadcast(-127.0f), min(broadcast(128.0f), x));
  n = {vrndnq_f32(x.v)};
  return x - n;
}
inline Vec scaleByExponent(Vec p, Vec n) {
  const int32x4_t exponent = vaddq_s32(vcvtq_s32_f32(n.v), vdupq_n_s32(127));
  return p * Vec{vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23))};
}

// 4 x 4 in place.
inline void transposeSquare(Vec (&rows)[kWidth]) {
  const auto a = __builtin_shufflevector(rows[0].v, rows[1].v, 0, 4, 2, 6);
  const auto b = __builtin_shufflevector(rows[0].v, rows[1].v, 1, 5, 3, 7);
  const auto c = __builtin_shufflevector(rows[2].v, rows[3].v, 0, 4, 2, 6);
  const auto d = __builtin_shufflevector(rows[2].v, rows[3].v, 1, 5, 3, 7);
  rows[0].v = __builtin_shufflevector(a, c, 0, 1, 4, 5);
  rows[1].v = __builtin_shufflevector(b, d, 0, 1, 4, 5);
  rows[2].v = __builtin_shufflevector(a, c, 2, 3, 6, 7);
  rows[3].v = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}

// Sums squares in float64.
struct SquareSum {
  float64x2_t low = vdupq_n_f64(0);
  float64x2_t high = vdupq_n_f64(0);

  void add(Vec a) {
    const float64x2_t x = vcvt_f64_f32(vget_low_f32(a.v)), y = vcvt_high_f64_f32(a.v);
    low = vfmaq_f64(low, x, x);
    high = vfmaq_f64(high, y, y);
  }
  double total() const { return vaddvq_f64(vaddq_f64(low, high)); }
};

}  // namespace ibert::cpu::IBERT_ISA
