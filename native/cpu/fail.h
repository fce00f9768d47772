// Errors out of kernels.
//
// Kernel files are compiled for several instruction sets, and an inline function of the standard library that such a
// file emits could be the copy that the linker keeps for everybody. So they leave std::string and its like to here.
#pragma once

namespace ibert::cpu {

// Throws std::runtime_error with a message of printf's format.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace ibert::cpu
