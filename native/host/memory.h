// Memory of host devices.
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

}  // namespace ibert::host
