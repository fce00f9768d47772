// Errors out of kernels, and what a kernel says of operands that it cannot take.
//
// Kernel files are compiled for several instruction sets, and an inline function of the standard library that
// such a file emits could be the copy that the linker keeps for everybody. So they leave std::string and its
// like to here.
#pragma once

#include <initializer_list>
#include <string>

#include "../tensor.h"

namespace ibert::cpu {

// Throws std::runtime_error with a message of printf's format.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

// A tensor and its name, for messages.
struct Named {
  const char* name;
  const Tensor* tensor;
};

// Empty when every tensor that is present has one of these dtypes; else names the first that has not.
std::string onlyDTypes(std::initializer_list<Named> tensors, std::initializer_list<DType> allowed);

}  // namespace ibert::cpu
