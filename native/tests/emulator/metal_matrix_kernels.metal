// Matrices of 8 x 8 in each dtype, by each function that takes them.
#include <metal_stdlib>

#include "emulator/metal/dispatch.h"
#include "metal_matrix_kernels.h"

using namespace metal;

#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // as unsetOperand means it
#endif

namespace ibert::tests {

namespace {

template <class T, MatrixBug kBug>
kernel void matrices(const device T* x [[buffer(0)]], const device T* w [[buffer(1)]],
                     device float* y [[buffer(2)]], threadgroup float* tile THREADGROUP(0),
                     uint3 group [[threadgroup_position_in_grid]], uint index [[thread_index_in_threadgroup]],
                     uint simdgroup [[simdgroup_index_in_threadgroup]],
                     uint lane [[thread_index_in_simdgroup]]) {
  simdgroup_matrix<T, 8, 8> a, b, transposed;
  if (kBug != MatrixBug::loadByHalf || lane < 16) simdgroup_load(a, x);
  const device T* from = w;
  if (kBug == MatrixBug::placeByLane && lane == 7) from += 8;
  if (kBug == MatrixBug::misaligned) from = (const device T*)((const device uchar*)w + 1);
  if (kBug != MatrixBug::unsetOperand) simdgroup_load(b, from, 8);
  simdgroup_load(transposed, x, 8, ulong2(0), true);

  simdgroup_float8x8 product;
  if (kBug != MatrixBug::multiplyByHalf || lane < 16) simdgroup_multiply(product, a, b);
  if (kBug != MatrixBug::storeByHalf || lane < 16)
    simdgroup_store(product, tile, kBug == MatrixBug::overlappingStore ? 4 : 8);
  if (kBug != MatrixBug::unorderedStore) simdgroup_barrier(mem_flags::mem_threadgroup);
  for (uint i = lane; i < 64; i += 32) y[i] = tile[i ^ 1];

  simdgroup_float8x8 sum;
  simdgroup_load(sum, tile + (kBug == MatrixBug::beyondTile ? 1 : 0), 8);
  simdgroup_multiply_accumulate(sum, transposed, b, sum);
  simdgroup_store(sum, y + 64, 8, ulong2(0), true);
}

}  // namespace

template <class T, MatrixBug kBug>
bool runMatrices(const T* x, const T* w, float* y, unsigned threads) {
  return emulator::dispatch(matrices<T, kBug>, 1, threads, 64 * sizeof(float), x, w, y,
                            emulator::ThreadgroupMemory());
}

#define IBERT_MATRICES(T, bug) \
  template bool runMatrices<T, MatrixBug::bug>(const T*, const T*, float*, unsigned);
IBERT_MATRICES(float, none)
IBERT_MATRICES(half, none)
IBERT_MATRICES(bfloat, none)
IBERT_MATRICES(half, loadByHalf)
IBERT_MATRICES(half, storeByHalf)
IBERT_MATRICES(half, multiplyByHalf)
IBERT_MATRICES(half, placeByLane)
IBERT_MATRICES(half, misaligned)
IBERT_MATRICES(bfloat, misaligned)
IBERT_MATRICES(float, misaligned)
IBERT_MATRICES(half, unsetOperand)
IBERT_MATRICES(bfloat, unsetOperand)
IBERT_MATRICES(float, unsetOperand)
IBERT_MATRICES(half, beyondTile)
IBERT_MATRICES(half, unorderedStore)
IBERT_MATRICES(half, overlappingStore)

}  // namespace ibert::tests
