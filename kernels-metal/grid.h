// How a kernel is declared, so that Metal compiles it and the emulator runs it (docs/emulator.md): buffers by
// index, then one struct of parameters in constant memory, then threadgroup memory if there is any, then
// PLACE.
#pragma once

// At most so many threads of a threadgroup, for which the compiler keeps registers.
#define KERNEL [[kernel, max_total_threads_per_threadgroup(256)]] void

#define PLACE                                                                               \
  uint3 group [[threadgroup_position_in_grid]], uint index [[thread_index_in_threadgroup]], \
      uint simdgroup [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]

#ifndef THREADGROUP
#define THREADGROUP(n) [[threadgroup(n)]]
#endif

// Threads of a threadgroup where each has an element, or all share a row; as kernel.h has them.
constant constexpr uint kThreads = 256;
// Where they share a row of keys.
constant constexpr uint kFewThreads = 64;
// Four simdgroups, which share a tile of a product.
constant constexpr uint kTileThreads = 128;

// The element of a thread.
inline int64_t elementOf(uint3 group, uint index) {
  return int64_t(group.x) * kThreads + index;
}
