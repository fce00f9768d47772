#include <malloc.h>

#include "memory.h"
#include "windows.h"

namespace ibert::platform {

namespace {

MEMORYSTATUSEX status() {
  MEMORYSTATUSEX found{};
  found.dwLength = sizeof found;
  GlobalMemoryStatusEx(&found);
  return found;
}

}  // namespace

void* allocateAligned(size_t alignment, size_t bytes) {
  return _aligned_malloc(bytes, alignment);
}

void releaseAligned(void* memory) {
  _aligned_free(memory);
}

void preferHugePages(void* memory, size_t bytes) {}

void trimHeap() {
  _heapmin();
}

int64_t physicalMemory() {
  return static_cast<int64_t>(status().ullTotalPhys);
}

int64_t availableMemory() {
  return static_cast<int64_t>(status().ullAvailPhys);
}

}  // namespace ibert::platform
