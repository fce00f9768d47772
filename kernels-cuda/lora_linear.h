// What the kernels of loraLinearForward and loraLinearBackward share: sizes, whose adapter a row has, and
// their products of low rank.
#pragma once

#include "host/runtime.h"
#include "scratch.h"
#include "segments.h"

namespace ibert::cuda {

// T rows of x, K columns; N rows of W; P adapters of R rows of A, rank r = columns of B.
struct ForwardSizes {
  int64_t T, K, N, P, R, r;
};

inline ForwardSizes sizesOf(const LoraLinearForward& args) {
  return {args.x.shape[0],
          args.x.shape[1],
          args.weight.shape[0],
          args.loraA ? args.loraA.shape[0] : 0,
          args.loraA ? args.loraA.shape[1] : 0,
          args.loraB ? args.loraB.shape[2] : 0};
}

// The adapter of row t, -1 for none.
__device__ __forceinline__ int64_t adapterOf(const int32_t* adapterOfRow, int64_t t, int64_t P) {
  return adapterOfRow == nullptr ? 0 : inside(adapterOfRow[t], 0, P, -1);
}

// The product of low rank between two others, x A^T or dy B, times scale, as bf16: (T, slots * padded r).
struct LowRank {
  Bf16* data;
  int64_t T, r, padded, stride;

  LowRank() = default;
  LowRank(Scratch& scratch, int64_t T, int64_t R, int64_t r)
      : T(T), r(r), padded(paddedColumns(r)), stride(r == 0 ? 0 : R / r * padded) {
    data = scratch.take<Bf16>(T * stride);
  }
  // Column j of R, as A's rows count them.
  __device__ __forceinline__ Bf16* at(int64_t t, int64_t j) const {
    return data + t * stride + j / r * padded + j % r;
  }
  __device__ __forceinline__ Matrix ofSlot(int slot) const {
    return {data + slot * padded, stride, T, r, true};
  }
  // With the padding of the slots.
  __device__ __forceinline__ Matrix whole() const { return {data, stride, T, stride, true}; }
};

// The number of a block by when it began, since those that others wait for must have begun before them, and
// nobody promises an order of blocks; without a counter its index. All threads call it; `memory` is free
// afterwards.
__device__ __forceinline__ unsigned numberOfBlock(unsigned* begun, char* memory) {
  if (begun == nullptr) return blockIdx.x;
  auto* number = reinterpret_cast<unsigned*>(memory);
  if (threadIdx.x == 0) *number = signalBlocks(begun);
  __syncthreads();
  const unsigned own = *number;
  __syncthreads();
  return own;
}

// lora_linear_decode.cu: loraLinearForward of a step of generation, at most kExactRows rows of bf16.
bool isDecode(const LoraLinearForward& args);
int64_t decodeWorkspace(const LoraLinearForward& args);
void decodeForward(const LoraLinearForward& args, const Context& context);

}  // namespace ibert::cuda
