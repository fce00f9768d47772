#include "emulator/access.h"

#include <link.h>

#include "emulator/access_path.h"
#include "emulator/launch.h"
#include "emulator/memory.h"
#include "emulator/message.h"

namespace ibert::emulator {

Watch watch;

namespace {

// An access, for messages.
struct Request {
  const void* address;
  size_t bytes;
  const void* code;

  Words text() const {
    const auto* at = static_cast<const char*>(address);
    const Words what(bytes, bytes == 1 ? " byte" : " bytes");
    if (inShared(address))
      return Words(what, " at byte ", at - current->block->shared, " of ", launchNow->sharedBytes,
                   " of shared memory");
    const Place near = nearestAllocation(address);
    if (!near.allocation) return Words(what, " of global memory that is no allocation");
    return Words(what, " at byte ", at - near.allocation, " of an allocation of ", near.bytes, " bytes");
  }
  template <class... Parts>
  [[noreturn]] void fail(const char* does, const Parts&... parts) const {
    launchNow->failAt(code, does, text(), parts...);
  }
};

const Segment& segmentOf(uint32_t epoch) {
  return launchNow->segments[(epoch >> kSegmentShift) - launchNow->firstSegment];
}

Words whoText(uint32_t epoch) {
  const Segment& segment = segmentOf(epoch);
  const unsigned thread = segment.warp * kLanes + (epoch >> kLaneShift & (kLanes - 1));
  const Extent block = launchNow->block;
  const Words text("thread (", thread % block.x, ", ", thread / block.x % block.y, ", ",
                   thread / block.x / block.y, ")");
  return segment.block == current->block->number ? text : Words(text, " of block number ", segment.block);
}

// Whether what happened in `epoch` of this launch is ordered before what the current thread does now.
bool isOrdered(uint32_t epoch) {
  if (epoch < watch.launchEpoch) return true;
  const Thread& self = *current;
  const WarpOrder& order = self.warp->order;
  if (((epoch ^ order.epochs[self.lane]) & ~kFlags) == 0) return true;
  const Segment& segment = segmentOf(epoch);
  const uint32_t lane = epoch >> kLaneShift & (kLanes - 1);
  if (segment.block == self.block->number) {
    if (segment.warp != self.warp->number) {
      if (segment.interval < order.known[segment.warp]) return true;
    } else if (segment.interval < order.interval || lane == self.lane) {
      return true;
    }
  }
  if (!self.foreign) return false;
  for (const auto& publication : self.foreign->publications) {
    if (publication->block != segment.block) continue;
    if (segment.warp != publication->warp) {
      if (segment.interval < publication->known[segment.warp]) return true;
    } else if (segment.interval < publication->interval ||
               (lane == publication->lane && (epoch >> kSegmentShift) <= publication->segment)) {
      return true;
    }
  }
  return false;
}

// Whether a read that the current thread's own warp recorded stands for reads of other warps as well, and no
// barrier came since.
bool standsForOthers(uint32_t read) {
  if (read < watch.launchEpoch || !(read & kOtherWarps)) return false;
  const Segment& segment = segmentOf(read);
  const Thread& self = *current;
  return segment.block == self.block->number && segment.warp == self.warp->number &&
         segment.interval >= self.warp->order.lastBarrier;
}

constexpr const char* kUnsynchronised = " with no synchronisation in between";

void checkInFlight(const char* does, uint32_t written, const Request& request) {
  if (written & kInFlight)
    request.fail(does, ", where an asynchronous copy of ", whoText(written),
                 " is in flight that was not waited for");
}

void readCell(Cell& cell, const Request& request) {
  const uint32_t written = cell.write, read = cell.read;
  if (written == kOutside) request.fail("reads out of bounds: ");
  if (written == kUnwritten) request.fail("reads what nobody wrote: ");
  checkInFlight("reads ", written, request);
  if (!isOrdered(written))
    request.fail("race: reads ", ", which ", whoText(written), " wrote", kUnsynchronised);
  const Known known(*current);
  if (!isOrdered(read)) {
    cell.read = read | known.readersBeside(read);
  } else if (((read ^ known.me) & ~kFlags) != 0) {
    // The warp's own earlier read may stand for those of other warps, which no barrier ended yet.
    cell.read = known.me | (standsForOthers(read) ? kManyReaders | kOtherWarps : 0);
  }
}

// Whether the current thread may write there.
void checkWritable(const Cell& cell, const Request& request) {
  const uint32_t written = cell.write, read = cell.read;
  if (written == kOutside) request.fail("writes out of bounds: ");
  if (written == kUnwritten) return;
  checkInFlight("writes ", written, request);
  if (!isOrdered(written))
    request.fail("race: writes ", ", which ", whoText(written), " wrote", kUnsynchronised);
  if (!isOrdered(read)) request.fail("race: writes ", ", which ", whoText(read), " read", kUnsynchronised);
  const bool ownStretch = ((read ^ current->warp->order.epochs[current->lane]) & ~kFlags) == 0;
  if (((read & kManyReaders) && ownStretch) || standsForOthers(read))
    request.fail("race: writes ", ", which other threads read too", kUnsynchronised);
}

void writeCell(Cell& cell, const Request& request) {
  checkWritable(cell, request);
  cell = {current->warp->order.epochs[current->lane], 0};
}

// A cell is two bytes. Threads that write one each do not race, so such writes are not followed further.
void writeHalf(Cell& cell, const Request& request) {
  if (cell.write == kOutside) request.fail("writes out of bounds: ");
  if (cell.write == kUnwritten) cell.write = kByHost;
}

bool inSomeModule(uintptr_t address) {
  struct Search {
    uintptr_t address;
    bool found;
  } search{address, false};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto& search = *static_cast<Search*>(data);
        for (int i = 0; i < info->dlpi_phnum && !search.found; ++i) {
          const auto& header = info->dlpi_phdr[i];
          search.found = header.p_type == PT_LOAD &&
                         search.address - (info->dlpi_addr + header.p_vaddr) < header.p_memsz;
        }
        return int(search.found);
      },
      &search);
  return search.found;
}

// A thread's stack, the kernel's parameters and constants of the program are no device memory, and allowed.
void checkElsewhere(const Request& request) {
  const auto address = uintptr_t(request.address);
  if (Stacks::holds(request.address)) return;
  if (address - uintptr_t(launchNow->kernel.closure) < launchNow->kernel.closureBytes) return;
  if (address >> 12 == watch.staticPage) return;
  if (!inSomeModule(address))
    launchNow->failAt(request.code, "touches ", request.bytes,
                      " bytes of the host's memory: a host pointer was given to a kernel, or a stray one");
  watch.staticPage = address >> 12;
}

void checkRead(const Request& request) {
  const Known known(*current);
  Cell* const last = cellsOf(static_cast<const char*>(request.address) + request.bytes - 1);
  for (Cell* cell = cellsOf(request.address); cell <= last; ++cell) {
    if (known.written(cell->write) && known.read(cell->read))
      cell->read = known.me;
    else
      readCell(*cell, request);
  }
}

void checkWrite(const Request& request) {
  const Known known(*current);
  const uintptr_t begin = uintptr_t(request.address), end = begin + request.bytes;
  Cell* cell = cellsOf(request.address);
  if (begin % 2) writeHalf(*cell++, request);
  Cell* const stop = cellsOf(reinterpret_cast<const void*>(end));
  for (; cell < stop; ++cell) {
    if (known.written(cell->write) && known.read(cell->read))
      *cell = {known.me, 0};
    else
      writeCell(*cell, request);
  }
  if (end % 2 && cell == stop) writeHalf(*stop, request);
}

}  // namespace

void checkAccess(Access access, const void* address, size_t bytes, const void* code) {
  if (!current || !bytes || !watch.on) return;
  const Request request{address, bytes, code};
  if (!inRegion(address)) return checkElsewhere(request);
  if (launchNow->recorder) launchNow->recorder->access(access, address, bytes, code);
  access == Access::read ? checkRead(request) : checkWrite(request);
}

void checkUncounted(const void* address, size_t bytes, const void* code) {
  if (watch.on && bytes) checkRead({address, bytes, code});
}

void checkAligned(Access access, const void* address, size_t bytes, const void* code) {
  if (watch.on && uintptr_t(address) % bytes && inRegion(address))
    Request{address, bytes, code}.fail("touches ", " at an address that is no multiple of the size");
  checkAccess(access, address, bytes, code);
}

void checkAtomic(const void* address, size_t bytes, const void* code) {
  if (!watch.on) return;
  const Request request{address, bytes, code};
  if (!inRegion(address)) return checkElsewhere(request);
  if (launchNow->recorder) ++launchNow->recorder->report.atomics;
  Cell* cell = cellsOf(address);
  for (size_t i = 0; i < bytes / 2; ++i) {
    if (cell[i].write == kUnwritten) request.fail("reads what nobody wrote: ");
    if (!(cell[i].write & kAtomic) || (cell[i].write & kInFlight)) checkWritable(cell[i], request);
    cell[i] = {current->warp->order.epochs[current->lane] | kAtomic, 0};
  }
}

void beginCopyInto(void* address, size_t bytes, const void* code) {
  if (!watch.on) return;
  checkWrite({address, bytes, code});
  Cell* cell = cellsOf(address);
  for (size_t i = 0; i < bytes / 2; ++i) cell[i].write |= kInFlight;
}

void endCopyInto(void* address, size_t bytes) {
  if (!watch.on) return;
  Cell* cell = cellsOf(address);
  const uint32_t me = current->warp->order.epochs[current->lane];
  for (size_t i = 0; i < bytes / 2; ++i) cell[i] = {me, 0};
}

}  // namespace ibert::emulator
