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

// The value at `index` of an i32 tensor; an error that names op, tensor, place and value unless low <= value
// < high.
inline int64_t indexIn(const char* op, const char* name, const Tensor& tensor, int64_t index, int64_t low,
                       int64_t high) {
  const int64_t value = tensor.as<const int32_t>()[index];
  if (value < low || value >= high) {
    throw std::runtime_error(std::string(op) + ": " + name + "[" + std::to_string(index) + "] is " +
                             std::to_string(value) + ", outside [" + std::to_string(low) + ", " +
                             std::to_string(high) + ")");
  }
  return value;
}

}  // namespace ibert::reference
