// Memory of host devices, and what the system says of its own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../backend.h"

namespace ibert::host {

// What a Buffer of a host backend is.
struct HostBuffer {
  std::byte* memory;
  int64_t bytes;
};

inline HostBuffer& bufferOf(Buffer* buffer) {
  return *reinterpret_cast<HostBuffer*>(buffer);
}

// Whole pages, so that a tensor's tail can be read by full vectors. Throws std::runtime_error naming the
// bytes.
std::byte* allocatePages(int64_t bytes);
void releasePages(std::byte* memory);

int64_t physicalMemory();
// What can be had without swapping, within the limits of the process's control group.
int64_t availableMemory();

}  // namespace ibert::host
