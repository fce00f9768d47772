// The CUDA runtime, or the emulator's for a build without nvcc, and its errors as exceptions.
#pragma once

#include <stdexcept>
#include <string>

#include "device.h"

#ifndef __CUDACC__
#include "emulator/runtime/runtime.h"
#endif

namespace ibert::cuda {

// What a failed call of this thread means, for people. The emulator's rules that were broken are told once.
inline std::string errorText(cudaError_t error) {
#ifndef __CUDACC__
  if (const std::string text = emulator::takeDeviceError(); !text.empty()) return text;
#endif
  return cudaGetErrorString(error);
}

// Throws "what: why" when a call failed.
inline void require(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  (void)cudaGetLastError();  // later launches must not report it as theirs
  throw std::runtime_error(std::string(what) + ": " + errorText(error));
}

}  // namespace ibert::cuda
