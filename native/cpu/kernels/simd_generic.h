// Vec for any target: 4 lanes in the vector extension of GCC and Clang, which becomes SSE2, NEON or plain
// code.
#pragma once

#include <cmath>

namespace ibert::cpu::IBERT_ISA {

constexpr int kWidth = 4;
constexpr int kRegisters = 16;

typedef float Lanes __attribute__((vector_size(16)));
typedef int32_t Bits __attribute__((vector_size(16)));
typedef double Doubles __attribute__((vector_size(32)));

struct Vec {
  Lanes v;
};

inline Vec broadcast(float x) {
  return {Lanes{x, x, x, x}};
}
inline Vec loadTail(const float* p, int lanes) {
  Vec a{};
  std::memcpy(&a.v, p, static_cast<size_t>(lanes) * sizeof(float));
  return a;
}
inline Vec load(const float* p) {
  return loadTail(p, kWidth);
}
inline void storeTail(float* p, Vec a, int lanes) {
  std::memcpy(p, &a.v, static_cast<size_t>(lanes) * sizeof(float));
}
inline void store(float* p, Vec a) {
  storeTail(p, a, kWidth);
}

inline Vec loadTail(const Bf16* p, int lanes) {
  float values[kWidth] = {};
  for (int i = 0; i < lanes; ++i) values[i] = toFloat(p[i]);
  return load(values);
}
inline Vec load(const Bf16* p) {
  return loadTail(p, kWidth);
}
inline Vec loadCodes(const int8_t* p) {
  return {Lanes{static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]),
                static_cast<float>(p[3])}};
}
inline void storeTail(Bf16* p, Vec a, int lanes) {
  uint32_t bits[kWidth];
  std::memcpy(bits, &a.v, sizeof bits);
  for (int i = 0; i < lanes; ++i) {
    // Rounding could carry a NaN's payload away: keep its top bits and make it quiet.
    const bool nan = (bits[i] & 0x7fffffffu) > 0x7f800000u;
    const uint32_t rounded = (bits[i] + 0x7fffu + (bits[i] >> 16 & 1)) >> 16;
    p[i].bits = static_cast<uint16_t>(nan ? bits[i] >> 16 | 0x40u : rounded);
  }
}
inline void store(Bf16* p, Vec a) {
  storeTail(p, a, kWidth);
}

inline Vec operator+(Vec a, Vec b) {
  return {a.v + b.v};
}
inline Vec operator-(Vec a, Vec b) {
  return {a.v - b.v};
}
inline Vec operator*(Vec a, Vec b) {
  return {a.v * b.v};
}
inline Vec operator/(Vec a, Vec b) {
  return {a.v / b.v};
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return {a.v * b.v + c.v};
}
inline Vec squareRoot(Vec a) {
  for (int i = 0; i < kWidth; ++i) a.v[i] = std::sqrt(a.v[i]);
  return a;
}
// x <= y ? a : b
inline Vec selectLessEqual(Vec x, Vec y, Vec a, Vec b) {
  const Bits chosen = x.v <= y.v;
  return {(Lanes)(((Bits)a.v & chosen) | ((Bits)b.v & ~chosen))};
}
// b where either is NaN.
inline Vec max(Vec a, Vec b) {
  const Bits chosen = a.v > b.v;
  return {(Lanes)(((Bits)a.v & chosen) | ((Bits)b.v & ~chosen))};
}
inline Vec min(Vec a, Vec b) {
  const Bits chosen = a.v < b.v;
  return {(Lanes)(((Bits)a.v & chosen) | ((Bits)b.v & ~chosen))};
}

inline float sum(Vec a) {
  return (a.v[0] + a.v[1]) + (a.v[2] + a.v[3]);
}
inline float highest(Vec a) {
  const float x = a.v[0] > a.v[1] ? a.v[0] : a.v[1], y = a.v[2] > a.v[3] ? a.v[2] : a.v[3];
  return x > y ? x : y;
}

// The nearest integer n within [-127, 128] (an exponent of -127 makes the scale 0, one of 128 makes it
// infinite), and x - n for x held within the same bounds. Adding 1.5 * 2^23 leaves no bits for a fraction:
// the addition itself rounds.
inline Vec splitExponent(Vec x, Vec& n) {
  const Vec shift = broadcast(0x1.8p23f);
  x = max(broadcast(-127.0f), min(broadcast(128.0f), x));
  n = (x + shift) - shift;
  return x - n;
}
inline Vec scaleByExponent(Vec p, Vec n) {
  const Bits exponent = __builtin_convertvector(n.v, Bits) + 127;
  return p * Vec{(Lanes)(exponent << 23)};
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
  Doubles lanes{};

  void add(Vec a) {
    const Doubles x = __builtin_convertvector(a.v, Doubles);
    lanes += x * x;
  }
  double total() const { return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]); }
};

}  // namespace ibert::cpu::IBERT_ISA
