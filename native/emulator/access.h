// What a kernel does to memory, checked: that it lies within an allocation, that somebody wrote what is read,
// and that no other thread touches it without synchronisation. Compiled kernels come here through hooks.cpp,
// instructions directly.
#pragma once

#include <cstddef>

namespace ibert::emulator {

enum class Access { read, write };

// `code`: the place in the kernel, for the message. Nothing is checked where the settings say so.
void checkAccess(Access access, const void* address, size_t bytes, const void* code);
void checkAtomic(const void* address, size_t bytes, const void* code);

}  // namespace ibert::emulator
