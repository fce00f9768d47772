// The float64 reference: what every op means, as plain code. It is the oracle of the tests and a backend of
// its own. Each file registers the ops of its subject.
#pragma once

#include <stdexcept>
#include <string>

#include "host/kernel.h"
#include "values.h"

namespace ibert::reference {

using host::Context;
using host::KernelTable;

inline constexpr const char* kPath = "float64";

void registerGatherCastPack(KernelTable& table);
void registerNorm(KernelTable& table);
void registerLinear(KernelTable& table);
void registerRope(KernelTable& table);
void registerAttention(KernelTable& table);
void registerPagedAttention(KernelTable& table);
void registerSwiglu(KernelTable& table);
void registerCrossEntropy(KernelTable& table);
void registerOptimizer(KernelTable& table);
void registerSample(KernelTable& table);

// The table with all of them. Lives for the whole process.
const KernelTable& kernels();

// The value at `index` of an i32 tensor.
inline int64_t indexAt(const Tensor& tensor, int64_t index) {
  return tensor.as<const int32_t>()[index];
}

}  // namespace ibert::reference
