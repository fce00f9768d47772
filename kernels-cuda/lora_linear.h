// What the kernels of loraLinearForward share.
#pragma once

#include "operand.h"

namespace ibert::cuda::lora_linear {

// T rows of x, K columns; N rows of W; P adapters of R rows of A, rank r = columns of B.
struct Sizes {
  int64_t T, K, N, P, R, r;
};

inline Sizes sizesOf(const LoraLinearForward& args) {
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

// lora_linear_decode.cu: a step of generation, at most kExactRows rows of bf16.
bool isDecode(const LoraLinearForward& args);
int64_t decodeWorkspace(const LoraLinearForward& args);
void decodeForward(const LoraLinearForward& args, const Context& context);

}  // namespace ibert::cuda::lora_linear
