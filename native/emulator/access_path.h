// The way that nearly every access goes, kept short: the cells of its bytes, two comparisons each. What is
// unusual, wrong or needs the clocks goes to access.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/launch.h"
#include "emulator/memory.h"

namespace ibert::emulator {

struct Watch {
  bool on = false;           // whether this launch is checked
  uint32_t launchEpoch = 0;  // the first epoch of this launch: what is older is ordered
  uintptr_t staticPage = 0;  // the page of a program's constants that was touched last
};
extern Watch watch;

void elsewhere(const void* address, size_t bytes, const void* code);
[[noreturn]] void misaligned(const void* address, size_t bytes, const void* code);
void slowRead(Cell& cell, const void* address, size_t bytes, const void* code);
void slowWrite(Cell& cell, const void* address, size_t bytes, const void* code);
void writeHalf(Cell& cell, const void* address, const void* code);

// Epochs that are known to be ordered without a look at the clocks.
struct Ordered {
  uint32_t launchEpoch, from, span, me;
  explicit Ordered(const Thread& thread)
      : launchEpoch(watch.launchEpoch),
        from(thread.warp->order.from),
        span(thread.warp->order.span),
        me(thread.warp->order.epochs[thread.lane]) {}

  // Written by the host, an earlier launch, before the last barrier of all, or by the thread itself; and not
  // in flight.
  bool write(uint32_t epoch) const {
    return (epoch - kByHost < launchEpoch - kByHost || epoch - from < span ||
            ((epoch ^ me) & ~kFlags) == 0) &&
           !(epoch & kInFlight);
  }
  bool read(uint32_t epoch) const { return epoch < launchEpoch || epoch - from < span || epoch == me; }
};

inline void checkRead(const void* address, size_t bytes, const void* code) {
  if (!watch.on) return;
  if (!inRegion(address)) return elsewhere(address, bytes, code);
  const Ordered ordered(*current);
  Cell* const last = cellsOf(static_cast<const char*>(address) + bytes - 1);
  for (Cell* cell = cellsOf(address); cell <= last; ++cell) {
    if (ordered.write(cell->write) && ordered.read(cell->read))
      cell->read = ordered.me;
    else
      slowRead(*cell, address, bytes, code);
  }
}

inline void checkWritten(const void* address, size_t bytes, const void* code) {
  if (!watch.on) return;
  if (!inRegion(address)) return elsewhere(address, bytes, code);
  const Ordered ordered(*current);
  const uintptr_t begin = uintptr_t(address), end = begin + bytes;
  Cell* cell = cellsOf(address);
  if (begin % 2) writeHalf(*cell++, address, code);
  Cell* const stop = cellsOf(reinterpret_cast<const void*>(end));
  for (; cell < stop; ++cell) {
    if (ordered.write(cell->write) && ordered.read(cell->read))
      *cell = {ordered.me, 0};
    else
      slowWrite(*cell, address, bytes, code);
  }
  if (end % 2 && !(begin % 2 && bytes == 1)) writeHalf(*stop, address, code);
}

}  // namespace ibert::emulator
