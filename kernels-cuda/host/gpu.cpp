#include "gpu.h"

#include <algorithm>
#include <cstdio>

#include "driver.h"
#include "runtime.h"

namespace ibert::cuda {

void Gpu::use() const {
  if (planned) {
    throw std::runtime_error(std::string(info.architecture) +
                             " is a planned device: it answers for sizes and support, and runs nothing");
  }
  require(cudaSetDevice(index), "cudaSetDevice");
}

DeviceInfo Gpu::present() const {
  DeviceInfo result = info;
  if (planned) return result;
  size_t available = 0, total = 0;
  use();
  require(cudaMemGetInfo(&available, &total), "cudaMemGetInfo");
  result.availableBytes = static_cast<int64_t>(available);
  return result;
}

Gpu openGpu(int index) {
#ifdef __CUDACC__
  requireDriver("libcuda.so.1");
#endif
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorNoDevice) throwNoDevice();
  if (error != cudaSuccess) {
    (void)cudaGetLastError();
    throwBrokenDriver(errorText(error));
  }
  if (index < 0 || index >= count) {
    throw std::runtime_error("there is no CUDA device number " + std::to_string(index) +
                             "; this machine shows " + std::to_string(count) +
                             " (CUDA_VISIBLE_DEVICES chooses which)");
  }
  cudaDeviceProp properties;
  require(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  Gpu gpu;
  gpu.index = index;
  gpu.machine.architecture = properties.major * 10 + properties.minor;
  gpu.machine.multiprocessors = properties.multiProcessorCount;
  gpu.machine.sharedBytes = static_cast<int64_t>(properties.sharedMemPerBlockOptin);
  std::snprintf(gpu.info.name, sizeof gpu.info.name, "%.*s", static_cast<int>(sizeof gpu.info.name - 1),
                properties.name);
  std::snprintf(gpu.info.architecture, sizeof gpu.info.architecture, "sm_%d", gpu.machine.architecture);
  gpu.info.memoryBytes = gpu.info.maxBufferBytes = static_cast<int64_t>(properties.totalGlobalMem);
  requireCode(gpu.info.name, gpu.machine.architecture);
#ifndef __CUDACC__
  gpu.info.sharesHostMemory = 1;
#endif
  gpu.info.roundsRows = 1;
  setPeaks(gpu.info);
  return gpu;
}

}  // namespace ibert::cuda
