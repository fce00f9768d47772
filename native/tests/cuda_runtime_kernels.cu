#include "cuda_runtime_kernels.h"
#include "device.h"

namespace ibert::tests {

namespace {

__global__ void add(int* words, int count) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < count) words[i] += 1;
}

__global__ void behind(int* words, int count) {
  words[count + static_cast<int>(threadIdx.x)] = 1;
}

}  // namespace

cudaError_t addOne(cudaStream_t stream, int* words, int count) {
  return launch(add, 1, dim3(32), 0, stream, words, count);
}

cudaError_t writeBehind(cudaStream_t stream, int* words, int count) {
  return launch(behind, 1, dim3(1), 0, stream, words, count);
}

}  // namespace ibert::tests
