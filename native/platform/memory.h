// The machine's memory, and blocks of it that begin where they are told to.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ibert::platform {

// `alignment` is a power of two; the size need be no multiple of it. nullptr where there is not enough.
void* allocateAligned(size_t alignment, size_t bytes);
void releaseAligned(void* memory);

// Asks for large pages where the system gives them on request: only ever a hint.
void preferHugePages(void* memory, size_t bytes);

// Gives freed memory back to the system, where the C library keeps it and can.
void trimHeap();

int64_t physicalMemory();
// What can be had without swapping, within the limits of the process's control group.
int64_t availableMemory();

}  // namespace ibert::platform
