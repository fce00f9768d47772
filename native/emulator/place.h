// What a running kernel asks about itself, and how a grid of threads is started: what the languages of
// kernels (language.h, metal/) are made of besides meeting.h.
#pragma once

#include <cstddef>
#include <source_location>
#include <type_traits>

#include "emulator/index.h"

namespace ibert::emulator {

// The same all through a thread's run of a kernel, whoever runs in between: compilers may keep them.
__attribute__((const)) Index threadIndexNow();
__attribute__((const)) Index blockIndexNow();
__attribute__((const)) Extent blockExtentNow();
__attribute__((const)) Extent gridExtentNow();
__attribute__((const)) char* sharedMemoryNow();
__attribute__((const)) unsigned laneNow();
[[noreturn]] void trap();

bool launchKernel(void (*run)(const void*), const void* closure, size_t closureBytes, const void* function,
                  std::source_location where, Extent grid, Extent block, size_t sharedBytes);

// A grid, and the line that launches.
struct Grid {
  Extent extent;
  std::source_location where;
  Grid(Extent extent, std::source_location where = std::source_location::current())
      : extent(extent), where(where) {}
  template <class Count>
    requires std::is_integral_v<Count>
  Grid(Count count, std::source_location where = std::source_location::current())
      : extent(unsigned(count)), where(where) {}
};

}  // namespace ibert::emulator
