// Operands of any dtype as float32 values, read and written one at a time, and loops over them: what the
// twins are made of. A fast kernel is compiled for the dtypes that it takes.
#pragma once

#include "packed_blocks.h"

namespace ibert::cuda {

using Bf16 = __nv_bfloat16;

// A tensor in device memory.
struct View {
  void* data;
  DType dtype;
  int32_t columns = 0;  // of a weight in the packed order of block formats; 0 for all that is row-major

  __host__ __device__ explicit operator bool() const { return data != nullptr; }

  __device__ __forceinline__ float at(int64_t i) const {
    switch (dtype) {
      case DType::F32:
        return static_cast<const float*>(data)[i];
      case DType::BF16:
        return __bfloat162float(static_cast<const Bf16*>(data)[i]);
      case DType::F16:
        return __half2float(static_cast<const __half*>(data)[i]);
      case DType::F64:
        return static_cast<float>(static_cast<const double*>(data)[i]);
      default:
        return columns > 0 ? packedElement(dtype, data, i, columns) : blockElement(dtype, data, i);
    }
  }
  // The same of an activation or a statistic, which no block format is: little code.
  __device__ __forceinline__ float value(int64_t i) const {
    if (dtype == DType::BF16) return __bfloat162float(static_cast<const Bf16*>(data)[i]);
    if (dtype == DType::F64) return static_cast<float>(static_cast<const double*>(data)[i]);
    return static_cast<const float*>(data)[i];
  }
  // Into f32, or bf16 to nearest even.
  __device__ __forceinline__ void set(int64_t i, float value) const {
    if (dtype == DType::BF16) {
      static_cast<Bf16*>(data)[i] = __float2bfloat16_rn(value);
    } else {
      static_cast<float*>(data)[i] = value;
    }
  }
};

inline bool isPackedBlocks(const Tensor& tensor) {
  return tensor && tensor.layout == Layout::Packed && isBlockFormat(tensor.dtype);
}

inline View view(const Tensor& tensor) {
  return {tensor ? tensor.data : nullptr, tensor.dtype,
          isPackedBlocks(tensor) ? static_cast<int32_t>(tensor.shape[1]) : 0};
}

// A value of an index tensor, or `otherwise` where it names no place: a wrong one is on record, and must not
// lead out of bounds.
__device__ __forceinline__ int64_t inside(int64_t value, int64_t low, int64_t high, int64_t otherwise) {
  return value >= low && value < high ? value : otherwise;
}

__host__ __device__ constexpr int64_t ceilDivide(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Blocks for a loop over `count` elements in which each thread takes every elementStride()-th one. At least
// one, since no grid is empty.
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

// The sum over the threads of a block, in a fixed order, for all of them. `partial`: shared memory of a float
// a warp; every thread of a block of whole warps calls it, and none may write `partial` again before a
// barrier.
__device__ __forceinline__ float blockSum(float value, float* partial) {
  for (int lanes = 16; lanes > 0; lanes /= 2) value += __shfl_xor_sync(~0u, value, lanes);
  const int warps = blockDim.x / 32;
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  float sum = 0;
  for (int warp = 0; warp < warps; ++warp) sum += partial[warp];
  return sum;
}

}  // namespace ibert::cuda
