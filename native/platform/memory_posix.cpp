#include <unistd.h>

#include <cstdlib>

#include "memory.h"

namespace ibert::platform {

void* allocateAligned(size_t alignment, size_t bytes) {
  void* memory = nullptr;
  // Unlike aligned_alloc it takes a size that is no multiple of the alignment, on every system.
  return posix_memalign(&memory, alignment, bytes) == 0 ? memory : nullptr;
}

void releaseAligned(void* memory) {
  std::free(memory);
}

int64_t physicalMemory() {
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
}

}  // namespace ibert::platform
