// What a kernel does to memory, checked: that it lies within an allocation, that somebody wrote what is read,
// and that no other thread touches it without synchronisation. Compiled kernels come here through hooks.cpp,
// instructions directly. `code`: the place in the kernel, for the message. Nothing is checked where the
// settings say so.
#pragma once

#include <cstddef>

namespace ibert::emulator {

enum class Access { read, write };

void checkAccess(Access access, const void* address, size_t bytes, const void* code);
// Of a read that a report counts otherwise.
void checkUncounted(const void* address, size_t bytes, const void* code);
// Also that the address is a multiple of the size.
void checkAligned(Access access, const void* address, size_t bytes, const void* code);
void checkAtomic(const void* address, size_t bytes, const void* code);
// An asynchronous copy writes there from now on, until it was waited for: nobody else may come near.
void beginCopyInto(void* address, size_t bytes, const void* code);
void endCopyInto(void* address, size_t bytes);

}  // namespace ibert::emulator
