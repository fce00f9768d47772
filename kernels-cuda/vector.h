// Sixteen bytes at a time: eight bf16 or twice four float32 values, as floats. What is bound by memory runs
// at its speed only when a warp's accesses are whole cache lines of few instructions.
#pragma once

#include <initializer_list>

#include "operand.h"

namespace ibert::cuda {

constexpr int kVector = 8;

struct Vector {
  float at[kVector];
};

__device__ __forceinline__ Vector loadVector(const float* from) {
  const float4 low = reinterpret_cast<const float4*>(from)[0],
               high = reinterpret_cast<const float4*>(from)[1];
  return {{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
}
__device__ __forceinline__ Vector loadVector(const Bf16* from) {
  const uint4 words = *reinterpret_cast<const uint4*>(from);
  const unsigned each[4] = {words.x, words.y, words.z, words.w};
  Vector result;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    result.at[2 * i] = __uint_as_float(each[i] << 16);
    result.at[2 * i + 1] = __uint_as_float(each[i] & 0xffff0000u);
  }
  return result;
}

__device__ __forceinline__ void storeVector(float* to, const Vector& v) {
  reinterpret_cast<float4*>(to)[0] = make_float4(v.at[0], v.at[1], v.at[2], v.at[3]);
  reinterpret_cast<float4*>(to)[1] = make_float4(v.at[4], v.at[5], v.at[6], v.at[7]);
}
__device__ __forceinline__ unsigned pairOf(float low, float high) {
  return static_cast<unsigned>(__bfloat16_as_ushort(__float2bfloat16_rn(low))) |
         static_cast<unsigned>(__bfloat16_as_ushort(__float2bfloat16_rn(high))) << 16;
}
__device__ __forceinline__ void storeVector(Bf16* to, const Vector& v) {
  *reinterpret_cast<uint4*>(to) = make_uint4(pairOf(v.at[0], v.at[1]), pairOf(v.at[2], v.at[3]),
                                             pairOf(v.at[4], v.at[5]), pairOf(v.at[6], v.at[7]));
}

__device__ __forceinline__ float loadOne(const float* from) {
  return *from;
}
__device__ __forceinline__ float loadOne(const Bf16* from) {
  return __bfloat162float(*from);
}
__device__ __forceinline__ void storeOne(float* to, float value) {
  *to = value;
}
__device__ __forceinline__ void storeOne(Bf16* to, float value) {
  *to = __float2bfloat16_rn(value);
}

// Where an operand starts off the grid of sixteen bytes, the same eight values one by one: which thread has
// which values must not depend on where they lie, or their sums would too.
template <class T>
__device__ __forceinline__ Vector loadVector(const T* from, bool aligned) {
  if (aligned) return loadVector(from);
  Vector result;
  for (int i = 0; i < kVector; ++i) result.at[i] = loadOne(from + i);
  return result;
}
template <class T>
__device__ __forceinline__ void storeVector(T* to, const Vector& v, bool aligned) {
  if (aligned) return storeVector(to, v);
  for (int i = 0; i < kVector; ++i) storeOne(to + i, v.at[i]);
}

// Whether all of these start on that grid, as buffers do. One that is not there does; one that has no address
// yet, since the op is only asked about, by its offset.
inline bool areAligned(std::initializer_list<const Tensor*> tensors) {
  for (const Tensor* tensor : tensors) {
    const auto start = tensor->data == nullptr ? tensor->offset : reinterpret_cast<intptr_t>(tensor->data);
    if (*tensor && start % 16 != 0) return false;
  }
  return true;
}
inline constexpr const char* kVectorPath = "vector";

// The path that an op takes, by its file's isFast(args).
template <class Struct, bool (*IsFast)(const Struct&)>
const char* vectorPath(const Struct& args) {
  return IsFast(args) ? kVectorPath : kTwin;
}

// Calls body(static_cast<Type*>(nullptr)) with the type of an activation: float or Bf16.
template <class Body>
void withType(DType dtype, Body&& body) {
  if (dtype == DType::BF16) return body(static_cast<Bf16*>(nullptr));
  body(static_cast<float*>(nullptr));
}
template <class Body>
void withTypes(DType first, DType second, Body&& body) {
  withType(first, [&](auto* a) { withType(second, [&](auto* b) { body(a, b); }); });
}
template <class Pointer>
using Pointed = std::remove_pointer_t<Pointer>;

}  // namespace ibert::cuda
