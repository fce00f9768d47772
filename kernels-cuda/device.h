// What every .cu file includes: CUDA's language from nvcc, or the emulator's for one that is compiled as C++.
// Two things differ from plain CUDA, so that both can be had from one source: kernels are launched by
// launch(), and shared memory is dynamic, named by DYNAMIC_SHARED.
#pragma once

#ifdef __CUDACC__

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

// The block's dynamic shared memory as `char* name`.
#define DYNAMIC_SHARED(name) extern __shared__ __align__(1024) char name[]

// Enqueues kernel(arguments...) on the stream.
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t sharedBytes,
                   cudaStream_t stream, Arguments... arguments) {
  constexpr size_t kWithoutAsking = 48 << 10;
  if (sharedBytes > kWithoutAsking) {
    const cudaError_t refused = cudaFuncSetAttribute(
        reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize, int(sharedBytes));
    if (refused != cudaSuccess) return refused;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = sharedBytes;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

#else

#include "emulator/language.h"  // launch and DYNAMIC_SHARED too

#endif
