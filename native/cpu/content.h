// Checks of what operands contain, and of dtypes: shared by the kernels, compiled once for all instruction sets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../ops.h"

namespace ibert::cpu {

// Throws std::runtime_error naming the op, the tensor, the place and the value when an element of the i32 tensor is
// not in [low, high).
void checkIndices(const char* op, const char* name, const Tensor& tensor, int64_t low, int64_t high);

// Throws unless offsets ascend from 0 to `tokens`.
void checkOffsets(const char* op, const Tensor& offsets, int64_t tokens);

// What Kernel::unsupported says of an op whose activations may be f32 or bf16 and whose sums are f32: empty when every
// operand is so.
std::string plainDTypes(Op op, const void* arguments);

// The same, as the function that KernelTable::setUnsupported takes.
template <class Struct>
std::string plainDTypesOf(const Struct& arguments) {
  return plainDTypes(opOf<Struct>(), &arguments);
}

// And AdamW's: its bias correction divides by 1 - beta^step.
std::string adamWUnsupported(const AdamW& args);

// And that of the attention ops: headDim a multiple of 8 up to 256, a positive scale.
std::string attentionUnsupported(Op op, const void* arguments, int64_t headDim, double scale);
template <class Struct>
std::string attentionUnsupportedOf(const Struct& arguments) {
  return attentionUnsupported(opOf<Struct>(), &arguments, arguments.headDim, arguments.scale);
}

}  // namespace ibert::cpu
