// Operands of several dtypes, read and written as float32 values one at a time, and loops over them.
#pragma once

#include <type_traits>

#include "kernel.h"

namespace ibert::cuda {

using Bf16 = __nv_bfloat16;

__device__ __forceinline__ float load(const float* from) {
  return *from;
}
__device__ __forceinline__ float load(const Bf16* from) {
  return __bfloat162float(*from);
}
__device__ __forceinline__ void store(float* to, float value) {
  *to = value;
}
// Rounds to nearest even.
__device__ __forceinline__ void store(Bf16* to, float value) {
  *to = __float2bfloat16_rn(value);
}

// A value of an index tensor, or `otherwise` where it names no place: a wrong one is on record, and must not
// lead out of bounds.
__device__ __forceinline__ int64_t inside(int64_t value, int64_t low, int64_t high, int64_t otherwise) {
  return value >= low && value < high ? value : otherwise;
}

// Calls body(static_cast<Type*>(nullptr)) with the type of an activation: float or Bf16. Others were refused
// (constraints.cpp).
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

constexpr int64_t ceilDivide(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Blocks for a loop over `count` elements in which each thread takes every gridDim * blockDim-th one. At
// least one, since no grid is empty.
inline dim3 blocksFor(int64_t count, int threads, const Machine& machine) {
  const int64_t most = 16LL * machine.multiprocessors;
  const int64_t wanted = ceilDivide(count, threads);
  return dim3(static_cast<unsigned>(wanted < 1 ? 1 : wanted < most ? wanted : most));
}

// The thread's first element, and its stride.
__device__ __forceinline__ int64_t firstElement() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t elementStride() {
  return static_cast<int64_t>(gridDim.x) * blockDim.x;
}

}  // namespace ibert::cuda
