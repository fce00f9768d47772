// CUDA's vector types, 16-bit floating point and conversions, for kernels that are compiled as C++.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#define IBERT_VECTOR2(name, type, bytes)    \
  struct alignas(bytes) name {              \
    type x, y;                              \
  };                                        \
  inline name make_##name(type x, type y) { \
    return {x, y};                          \
  }
#define IBERT_VECTOR4(name, type, bytes)                    \
  struct alignas(bytes) name {                              \
    type x, y, z, w;                                        \
  };                                                        \
  inline name make_##name(type x, type y, type z, type w) { \
    return {x, y, z, w};                                    \
  }
IBERT_VECTOR2(float2, float, 8)
IBERT_VECTOR2(int2, int, 8)
IBERT_VECTOR2(uint2, unsigned, 8)
IBERT_VECTOR2(ushort2, unsigned short, 4)
IBERT_VECTOR4(float4, float, 16)
IBERT_VECTOR4(int4, int, 16)
IBERT_VECTOR4(uint4, unsigned, 16)
IBERT_VECTOR4(ushort4, unsigned short, 8)
IBERT_VECTOR4(uchar4, unsigned char, 4)
#undef IBERT_VECTOR2
#undef IBERT_VECTOR4

using cudaStream_t = struct CUstream_st*;
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorLaunchFailure = 719
};
inline const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    default:
      return "unspecified launch failure";
  }
}

inline unsigned __float_as_uint(float value) {
  return std::bit_cast<unsigned>(value);
}
inline int __float_as_int(float value) {
  return std::bit_cast<int>(value);
}
inline float __uint_as_float(unsigned bits) {
  return std::bit_cast<float>(bits);
}
inline float __int_as_float(int bits) {
  return std::bit_cast<float>(bits);
}

inline float rsqrtf(float x) {
  return 1.0f / std::sqrt(x);
}
inline float __expf(float x) {
  return std::exp(x);
}
inline float __logf(float x) {
  return std::log(x);
}
inline float cospif(float x) {
  return float(std::cos(3.14159265358979323846 * x));
}
inline float sinpif(float x) {
  return float(std::sin(3.14159265358979323846 * x));
}
inline float __fdividef(float x, float y) {
  return x / y;
}
inline float __frcp_rn(float x) {
  return 1.0f / x;
}
inline float __fmaf_rn(float x, float y, float z) {
  return std::fma(x, y, z);
}
inline int __popc(unsigned x) {
  return std::popcount(x);
}
inline int __clz(int x) {
  return std::countl_zero(unsigned(x));
}
inline int __ffs(int x) {
  return x ? std::countr_zero(unsigned(x)) + 1 : 0;
}
inline unsigned __umulhi(unsigned x, unsigned y) {
  return unsigned(uint64_t(x) * y >> 32);
}
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
  __extension__ using Wide = unsigned __int128;
  return (unsigned long long)(Wide(x) * y >> 64);
}

namespace ibert::emulator {

// Round to nearest even; NaN stays NaN.
constexpr uint16_t toBfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
constexpr float fromBfloat16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t(bits) << 16);
}

constexpr uint16_t toHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), sign = bits >> 16 & 0x8000u,
                 magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7fff;
  if (magnitude >= 0x477ff000u) return uint16_t(sign | 0x7c00);  // rounds to 65536 or more
  if (magnitude < 0x33000001u) return uint16_t(sign);            // rounds to zero
  const int exponent = int(magnitude >> 23) - 127;
  const uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  const int shift = exponent < -14 ? 13 + (-14 - exponent) : 13;
  const uint32_t kept = mantissa >> shift, lost = mantissa & ((1u << shift) - 1), middle = 1u << (shift - 1);
  const uint32_t rounded = kept + (lost > middle || (lost == middle && (kept & 1)));
  return uint16_t(sign | (exponent < -14 ? rounded : rounded + (uint32_t(exponent + 14) << 10)));
}
constexpr float fromHalf(uint16_t half) {
  const uint32_t sign = uint32_t(half & 0x8000u) << 16, exponent = half >> 10 & 31, mantissa = half & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float small = float(mantissa) * 0x1p-24f;
  return sign ? -small : small;
}

}  // namespace ibert::emulator

struct __nv_bfloat16 {
  uint16_t bits;
  __nv_bfloat16() = default;
  __nv_bfloat16(float value) : bits(ibert::emulator::toBfloat16(value)) {}
  operator float() const { return ibert::emulator::fromBfloat16(bits); }
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};
struct __half {
  uint16_t bits;
  __half() = default;
  __half(float value) : bits(ibert::emulator::toHalf(value)) {}
  operator float() const { return ibert::emulator::fromHalf(bits); }
};
struct alignas(4) __half2 {
  __half x, y;
};

inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  return value;
}
inline __nv_bfloat16 __float2bfloat16(float value) {
  return value;
}
inline float __bfloat162float(__nv_bfloat16 value) {
  return value;
}
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
  return {x, y};
}
inline float2 __bfloat1622float2(__nv_bfloat162 value) {
  return {value.x, value.y};
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value) {
  return value.bits;
}
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) {
  return std::bit_cast<__nv_bfloat16>(bits);
}
inline __half __float2half_rn(float value) {
  return value;
}
inline __half __float2half(float value) {
  return value;
}
inline float __half2float(__half value) {
  return value;
}
inline __half2 __floats2half2_rn(float x, float y) {
  return {x, y};
}
inline float2 __half22float2(__half2 value) {
  return {value.x, value.y};
}
inline unsigned short __half_as_ushort(__half value) {
  return value.bits;
}
inline __half __ushort_as_half(unsigned short bits) {
  return std::bit_cast<__half>(bits);
}
