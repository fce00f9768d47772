// Runs a .metal kernel that is compiled as C++. C++ drops the attributes of arguments, so their order is
// fixed: buffers and constants by index, then threadgroup memory if there is any, then these four:
//   uint3 [[threadgroup_position_in_grid]], uint [[thread_index_in_threadgroup]],
//   uint [[simdgroup_index_in_threadgroup]], uint [[thread_index_in_simdgroup]].
#pragma once

#include <metal_stdlib>
#include <stdexcept>
#include <string>
#include <tuple>

namespace ibert::emulator {

inline constexpr size_t kMostThreadgroupBytes = 32 << 10;

// In the place of the pointer into threadgroup memory.
struct ThreadgroupMemory {
  template <class T>
  operator T*() const {
    return reinterpret_cast<T*>(sharedMemoryNow());
  }
};

template <class Kernel, class... Arguments>
struct Dispatch {
  Kernel* function;
  std::tuple<Arguments...> arguments;

  __attribute__((no_sanitize("thread"))) static void run(const void* closure) {
    const auto& self = *static_cast<const Dispatch*>(closure);
    const Index group = blockIndexNow(), index = threadIndexNow();
    std::apply(
        [&](const auto&... all) __attribute__((no_sanitize("thread"))) {
          self.function(all..., metal::uint3{group.x, group.y, group.z}, index.x, index.x / 32, laneNow());
        },
        self.arguments);
  }
};

// `groups` threadgroups of `threads` threads in a row. Returns whether all went well; otherwise
// takeViolation() tells. Throws std::length_error for more threadgroup memory than Metal has.
template <class Kernel, class... Arguments>
bool dispatch(Kernel* function, Grid groups, unsigned threads, size_t threadgroupBytes,
              Arguments... arguments) {
  if (threadgroupBytes > kMostThreadgroupBytes)
    throw std::length_error(std::to_string(threadgroupBytes) +
                            " bytes of threadgroup memory, of which Metal has 32768");
  const Dispatch<Kernel, Arguments...> call{function, {arguments...}};
  return launchKernel(&Dispatch<Kernel, Arguments...>::run, &call, sizeof call,
                      reinterpret_cast<const void*>(function), groups.where, groups.extent, threads,
                      threadgroupBytes);
}

}  // namespace ibert::emulator
