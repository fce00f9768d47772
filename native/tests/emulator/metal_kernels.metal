// Small kernels as the Metal backend's are, and the ways to get them wrong.
#include <metal_stdlib>

#include "emulator/metal/dispatch.h"
#include "metal_kernels.h"

using namespace metal;

namespace ibert::tests {

namespace {

constant uint kTile = 32, kDepth = 16, kThreads = 128, kSimdgroups = kThreads / 32;

struct Shape {
  uint N, K;
};

// y = x wᵀ of x (M, K) and w (N, K): 32 x 32 tiles of four simdgroups, 8 rows each.
template <Bug kBug>
kernel void multiply(const device half* x [[buffer(0)]], const device half* w [[buffer(1)]],
                     device float* y [[buffer(2)]], constant Shape& shape [[buffer(3)]],
                     threadgroup half* tiles THREADGROUP(0), uint3 group [[threadgroup_position_in_grid]],
                     uint index [[thread_index_in_threadgroup]],
                     uint simdgroup [[simdgroup_index_in_threadgroup]],
                     uint lane [[thread_index_in_simdgroup]]) {
  threadgroup half* a = tiles;
  threadgroup half* b = tiles + kTile * kDepth;
  const uint m0 = group.y * kTile, n0 = group.x * kTile, rows = simdgroup * 8;
  simdgroup_float8x8 sums[4];
  if (kBug != Bug::unsetAccumulator)
    for (uint j = 0; j < 4; ++j) sums[j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  for (uint k0 = 0; k0 < shape.K; k0 += kDepth) {
    if (kBug != Bug::earlyOverwrite) threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = index; i < kTile * kDepth; i += kThreads) {
      const uint row = i / kDepth, k = i % kDepth;
      a[i] = x[(m0 + row) * shape.K + k0 + k];
      b[i] = w[(n0 + row) * shape.K + k0 + k];
    }
    if (kBug == Bug::barrierOfNone)
      threadgroup_barrier(mem_flags::mem_none);
    else if (kBug == Bug::barrierOfDevice)
      threadgroup_barrier(mem_flags::mem_device);
    else if (kBug != Bug::droppedBarrier)
      threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint k = 0; k < kDepth; k += 8) {
      simdgroup_half8x8 left, right;
      simdgroup_load(left, a + rows * kDepth + k, kDepth);
      for (uint j = 0; j < 4; ++j) {
        simdgroup_load(right, b + j * 8 * kDepth + k, kDepth, ulong2(0), kBug != Bug::notTransposed);
        simdgroup_multiply_accumulate(sums[j], left, right, sums[j]);
      }
    }
  }
  for (uint j = 0; j < 4; ++j)
    simdgroup_store(sums[j], y + (m0 + rows) * shape.N + n0 + j * 8 + (kBug == Bug::beyondBuffer ? 1 : 0),
                    shape.N);
}

// y = x / the sum of its row, one threadgroup a row.
template <Bug kBug>
kernel void scaleRows(const device float* x [[buffer(0)]], device float* y [[buffer(1)]],
                      constant uint& columns [[buffer(2)]], threadgroup float* partial THREADGROUP(0),
                      uint3 group [[threadgroup_position_in_grid]],
                      uint index [[thread_index_in_threadgroup]],
                      uint simdgroup [[simdgroup_index_in_threadgroup]],
                      uint lane [[thread_index_in_simdgroup]]) {
  if (kBug == Bug::earlyReturn && index >= columns) return;
  float sum = 0;
  for (uint i = index; i < columns; i += kThreads) sum += x[group.x * columns + i];
  if (kBug != Bug::divergentSum || lane < 16) sum = simd_sum(sum);
  if (lane == 0 && !(kBug == Bug::unwrittenPartial && simdgroup == 1)) partial[simdgroup] = sum;
  if (kBug == Bug::doubledBarrier && simdgroup == 0) threadgroup_barrier(mem_flags::mem_threadgroup);
  if (kBug == Bug::mixedBarriers && simdgroup == 0)
    threadgroup_barrier(mem_flags::mem_none);
  else
    threadgroup_barrier(mem_flags::mem_threadgroup);
  sum = 0;
  for (uint s = 0; s < kSimdgroups; ++s) sum += partial[s];
  for (uint i = index; i < columns; i += kThreads) y[group.x * columns + i] = x[group.x * columns + i] / sum;
}

// y[i] = x[i ^ 1], through memory.
template <Bug kBug>
kernel void swapPairs(const device float* x [[buffer(0)]], device float* y [[buffer(1)]],
                      threadgroup float* shared THREADGROUP(0), uint3 group [[threadgroup_position_in_grid]],
                      uint index [[thread_index_in_threadgroup]],
                      uint simdgroup [[simdgroup_index_in_threadgroup]],
                      uint lane [[thread_index_in_simdgroup]]) {
  shared[index] = x[index];
  if (kBug == Bug::simdgroupBarrierOfNone)
    simdgroup_barrier(mem_flags::mem_none);
  else if (kBug != Bug::missingSimdgroupBarrier)
    simdgroup_barrier(mem_flags::mem_threadgroup);
  y[index] = shared[index ^ 1];
}

kernel void exchange(const device float* x [[buffer(0)]], device float* y [[buffer(1)]],
                     constant uint& threads [[buffer(2)]], uint3 group [[threadgroup_position_in_grid]],
                     uint index [[thread_index_in_threadgroup]],
                     uint simdgroup [[simdgroup_index_in_threadgroup]],
                     uint lane [[thread_index_in_simdgroup]]) {
  y[index] = simd_shuffle_xor(x[index], 1);
  y[threads + index] = simd_broadcast(x[index], 3);
  y[2 * threads + index] = simd_max(x[index]);
  y[3 * threads + index] = simd_sum(x[index]);
}

// y of kFunctions x `threads`: what Metal's library says of a number. C++'s own functions of these names are
// not meant.
kernel void functions(const device float* x [[buffer(0)]], device float* y [[buffer(1)]],
                      constant uint& threads [[buffer(2)]], uint3 group [[threadgroup_position_in_grid]],
                      uint index [[thread_index_in_threadgroup]],
                      uint simdgroup [[simdgroup_index_in_threadgroup]],
                      uint lane [[thread_index_in_simdgroup]]) {
  const float own = x[index];
  const float values[kFunctions] = {as_type<float>(as_type<uint>(own) ^ 0x80000000u),
                                    metal::rint(own),
                                    metal::fma(own, own, -1.0f),
                                    metal::fabs(own),
                                    precise::exp(own),
                                    precise::exp2(own),
                                    precise::log(metal::fabs(own)),
                                    precise::rsqrt(precise::sqrt(metal::fabs(own))),
                                    metal::cospi(own),
                                    metal::sinpi(own),
                                    metal::fmax(own, 0.5f) - metal::fmin(own, as_type<float>(0x7fc00000u)),
                                    metal::isnan(own) || metal::isinf(own) ? 1.0f : 0.0f};
  for (uint i = 0; i < kFunctions; ++i) y[i * threads + index] = values[i];
}

kernel void touch(device float* y [[buffer(0)]], threadgroup float* shared THREADGROUP(0),
                  uint3 group [[threadgroup_position_in_grid]], uint index [[thread_index_in_threadgroup]],
                  uint simdgroup [[simdgroup_index_in_threadgroup]],
                  uint lane [[thread_index_in_simdgroup]]) {
  shared[8191 - index] = float(index);
  y[index] = shared[8191 - index];
}

}  // namespace

using emulator::dispatch;
using emulator::Extent;
using emulator::ThreadgroupMemory;

template <Bug kBug>
bool runMultiply(const half* x, const half* w, float* y, unsigned M, unsigned N, unsigned K) {
  constexpr size_t kBytes = 2 * kTile * kDepth * sizeof(half);
  return dispatch(multiply<kBug>, Extent(N / kTile, M / kTile), kThreads,
                  kBug == Bug::tooLittleMemory ? kBytes - 64 : kBytes, x, w, y, Shape{N, K},
                  ThreadgroupMemory());
}
template <Bug kBug>
bool runScaleRows(const float* x, float* y, unsigned rows, unsigned columns) {
  return dispatch(scaleRows<kBug>, rows, kThreads, kSimdgroups * sizeof(float), x, y, columns,
                  ThreadgroupMemory());
}
template <Bug kBug>
bool runSwapPairs(const float* x, float* y) {
  return dispatch(swapPairs<kBug>, 1, 32, 32 * sizeof(float), x, y, ThreadgroupMemory());
}
bool runExchange(const float* x, float* y, unsigned threads) {
  return dispatch(exchange, 1, threads, 0, x, y, threads);
}
bool runFunctions(const float* x, float* y, unsigned threads) {
  return dispatch(functions, 1, threads, 0, x, y, threads);
}
bool runWithMemory(float* y, unsigned bytes) {
  return dispatch(touch, 1, 32, bytes, y, ThreadgroupMemory());
}

#define IBERT_MULTIPLY(bug) \
  template bool runMultiply<Bug::bug>(const half*, const half*, float*, unsigned, unsigned, unsigned);
IBERT_MULTIPLY(none)
IBERT_MULTIPLY(droppedBarrier)
IBERT_MULTIPLY(barrierOfNone)
IBERT_MULTIPLY(barrierOfDevice)
IBERT_MULTIPLY(earlyOverwrite)
IBERT_MULTIPLY(unsetAccumulator)
IBERT_MULTIPLY(notTransposed)
IBERT_MULTIPLY(beyondBuffer)
IBERT_MULTIPLY(tooLittleMemory)
#define IBERT_SCALE_ROWS(bug) template bool runScaleRows<Bug::bug>(const float*, float*, unsigned, unsigned);
IBERT_SCALE_ROWS(none)
IBERT_SCALE_ROWS(divergentSum)
IBERT_SCALE_ROWS(unwrittenPartial)
IBERT_SCALE_ROWS(earlyReturn)
IBERT_SCALE_ROWS(doubledBarrier)
IBERT_SCALE_ROWS(mixedBarriers)
#define IBERT_SWAP(bug) template bool runSwapPairs<Bug::bug>(const float*, float*);
IBERT_SWAP(none)
IBERT_SWAP(missingSimdgroupBarrier)
IBERT_SWAP(simdgroupBarrierOfNone)

}  // namespace ibert::tests
