// The way that nearly every access goes, kept short: all its cells are alike, and what they say is known to
// be ordered by a few comparisons. What is unusual, wrong or needs the clocks goes to access.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/access.h"
#include "emulator/launch.h"
#include "emulator/memory.h"

namespace ibert::emulator {

struct Watch {
  bool on = false;           // whether this launch is checked
  size_t bytes = 0;          // of the region, or 0 when all accesses are to go the long way
  uint32_t launchEpoch = 0;  // the first epoch of this launch: what is older is ordered
  uintptr_t staticPage = 0;  // the page of a program's constants that was touched last
};
extern Watch watch;

// Epochs that are known to be ordered, or not, without a look at the clocks.
struct Known {
  uint32_t launchEpoch, from, span, othersBelow, concurrentFrom, me;
  explicit Known(const Thread& thread)
      : launchEpoch(watch.launchEpoch),
        from(thread.warp->order.from),
        span(thread.warp->order.span),
        othersBelow(thread.warp->order.othersBelow),
        concurrentFrom(thread.warp->order.concurrentFrom),
        me(thread.warp->order.epochs[thread.lane]) {}

  // Written by the host, an earlier launch, before the last barrier of all, or by the thread itself; and not
  // in flight.
  bool written(uint32_t epoch) const {
    return (epoch - kByHost < launchEpoch - kByHost || epoch - from < span ||
            ((epoch ^ me) & ~kFlags) == 0) &&
           !(epoch & kInFlight);
  }
  bool read(uint32_t epoch) const { return epoch < launchEpoch || epoch - from < span || epoch == me; }
  // Of other threads at the same time, where read() does not hold.
  bool concurrent(uint32_t epoch) const { return epoch < othersBelow || epoch >= concurrentFrom; }
  // The flags of a read beside which this thread reads.
  uint32_t readersBeside(uint32_t epoch) const {
    return (epoch ^ me) >> kSegmentShift ? kManyReaders | kOtherWarps : kManyReaders;
  }
};

// An aligned access of kBytes. Cells are compared as whole words.
using CellWord = uint64_t __attribute__((may_alias));
inline CellWord wordOf(uint32_t write, uint32_t read) {
  return uint64_t(read) << 32 | write;
}  // little-endian

template <size_t kBytes>
bool isPlainRead(const void* address) {
  constexpr size_t kCells = kBytes > 1 ? kBytes / 2 : 1;
  const size_t offset = uintptr_t(address) - uintptr_t(regionBase);
  if (offset >= watch.bytes || offset % kBytes) return false;
  const Known known(*current);
  auto* cell = reinterpret_cast<CellWord*>(cells + offset / 2);
  const uint64_t first = cell[0];
  uint64_t differ = 0;
  for (size_t i = 1; i < kCells; ++i) differ |= cell[i] ^ first;
  const uint32_t write = uint32_t(first), read = uint32_t(first >> 32);
  if (differ || !known.written(write)) return false;
  if (known.read(read)) {
    for (size_t i = 0; i < kCells; ++i) cell[i] = wordOf(write, known.me);
    return true;
  }
  if (!known.concurrent(read)) return false;
  const uint32_t shared = read | known.readersBeside(read);
  if (shared == read) return true;
  for (size_t i = 0; i < kCells; ++i) cell[i] = wordOf(write, shared);
  return true;
}

// At least 2 bytes: a cell does not say which of its bytes was written.
template <size_t kBytes>
bool isPlainWrite(const void* address) {
  const size_t offset = uintptr_t(address) - uintptr_t(regionBase);
  if (offset >= watch.bytes || offset % kBytes) return false;
  const Known known(*current);
  auto* cell = reinterpret_cast<CellWord*>(cells + offset / 2);
  const uint64_t first = cell[0];
  uint64_t differ = 0;
  for (size_t i = 1; i < kBytes / 2; ++i) differ |= cell[i] ^ first;
  const uint32_t write = uint32_t(first), read = uint32_t(first >> 32);
  if (differ || !(known.written(write) || write == kUnwritten) || !known.read(read)) return false;
  for (size_t i = 0; i < kBytes / 2; ++i) cell[i] = wordOf(known.me, 0);
  return true;
}

}  // namespace ibert::emulator
