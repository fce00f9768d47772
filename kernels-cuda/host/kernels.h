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

// constraints.cpp: which dtypes run, the same for all ops, before what an op says itself.
void registerConstraints(KernelTable& table);

}  // namespace ibert::cuda
