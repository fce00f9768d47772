#include "memory.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "../platform/memory.h"

namespace ibert::host {

namespace {

// Training's buffers in pages of this size made a step 1 to 3 % faster.
constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

std::byte* allocatePages(int64_t bytes) {
  const size_t rounded = (static_cast<size_t>(std::max<int64_t>(bytes, 1)) + 64 + 4095) / 4096 * 4096;
  const bool huge = rounded >= kHugePage;
  void* memory = platform::allocateAligned(huge ? kHugePage : 4096, rounded);
  if (memory == nullptr) throw std::runtime_error("out of memory: " + std::to_string(bytes) + " bytes");
  if (huge) platform::preferHugePages(memory, rounded);
  return static_cast<std::byte*>(memory);
}

void releasePages(std::byte* memory) {
  platform::releaseAligned(memory);
}

}  // namespace ibert::host
