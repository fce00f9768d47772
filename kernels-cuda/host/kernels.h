// The table of all kernels.
#pragma once

#include "kernel.h"

namespace ibert::cuda {

#ifdef __CUDACC__
inline constexpr char kBackendName[] = "cuda";
#else
inline constexpr char kBackendName[] = "cuda-emulated";
#endif

const KernelTable& kernels();

}  // namespace ibert::cuda
