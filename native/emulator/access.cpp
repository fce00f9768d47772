#include "emulator/access.h"

#include <link.h>

#include "emulator/access_path.h"
#include "emulator/launch.h"
#include "emulator/memory.h"

namespace ibert::emulator {

Watch watch;

namespace {

std::string placeText(const void* address, size_t bytes) {
  const auto* at = static_cast<const char*>(address);
  const std::string what = std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
  if (inShared(address)) {
    const ptrdiff_t offset = at - current->block->shared;
    return what + " at byte " + std::to_string(offset) + " of " + std::to_string(launchNow->sharedBytes) +
           " of shared memory";
  }
  const Place near = nearestAllocation(address);
  if (!near.allocation) return what + " of global memory that is no allocation";
  return what + " at byte " + std::to_string(at - near.allocation) + " of an allocation of " +
         std::to_string(near.bytes) + " bytes";
}

const Segment& segmentOf(uint32_t epoch) {
  return launchNow->segments[(epoch >> kSegmentShift) - launchNow->firstSegment];
}

std::string whoText(uint32_t epoch) {
  const Segment& segment = segmentOf(epoch);
  const unsigned thread = segment.warp * kLanes + (epoch >> kLaneShift & (kLanes - 1));
  const Index i = {thread % launchNow->block.x, thread / launchNow->block.x % launchNow->block.y,
                   thread / launchNow->block.x / launchNow->block.y};
  std::string text =
      "thread (" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) + ")";
  if (segment.block != current->block->number) text += " of block number " + std::to_string(segment.block);
  return text;
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
    if (segment.warp != self.warp->number) return segment.interval < order.known[segment.warp];
    return segment.interval < order.interval || lane == self.lane;
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

[[noreturn]] void race(const char* does, const void* address, size_t bytes, const char* did, uint32_t epoch,
                       const void* code) {
  launchNow->fail(std::string("race: ") + does + " " + placeText(address, bytes) + ", which " +
                      whoText(epoch) + " " + did + " with no synchronisation in between",
                  code);
}

bool inSomeModule(uintptr_t address) {
  struct Search {
    uintptr_t address;
    bool found;
  } search{address, false};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto& search = *static_cast<Search*>(data);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& header = info->dlpi_phdr[i];
          if (header.p_type == PT_LOAD &&
              search.address - (info->dlpi_addr + header.p_vaddr) < header.p_memsz) {
            search.found = true;
            return 1;
          }
        }
        return 0;
      },
      &search);
  return search.found;
}

}  // namespace

void elsewhere(const void* address, size_t bytes, const void* code) {
  if (!watch.on || Stacks::holds(address)) return;
  const Kernel& kernel = launchNow->kernel;
  if (uintptr_t(address) - uintptr_t(kernel.closure) < kernel.closureBytes) return;
  const uintptr_t page = uintptr_t(address) >> 12;
  if (page == watch.staticPage) return;
  if (!inSomeModule(uintptr_t(address)))
    launchNow->fail("touches " + std::to_string(bytes) +
                        " bytes of the host's memory: a host pointer was given to a kernel, or a stray one",
                    code);
  watch.staticPage = page;
}

void misaligned(const void* address, size_t bytes, const void* code) {
  launchNow->fail("touches " + placeText(address, bytes) + " at an address that is no multiple of " +
                      std::to_string(bytes),
                  code);
}

void slowRead(Cell& cell, const void* address, size_t bytes, const void* code) {
  const uint32_t written = cell.write;
  if (written == kOutside) launchNow->fail("reads out of bounds: " + placeText(address, bytes), code);
  if (written == kUnwritten) launchNow->fail("reads what nobody wrote: " + placeText(address, bytes), code);
  if (written & kInFlight)
    launchNow->fail("reads " + placeText(address, bytes) + ", where an asynchronous copy of " +
                        whoText(written) + " is in flight that was not waited for",
                    code);
  if (!isOrdered(written)) race("reads", address, bytes, "wrote", written, code);
  const uint32_t me = current->warp->order.epochs[current->lane], read = cell.read;
  if (isOrdered(read)) {
    // Others that read in the same stretch must not be forgotten.
    const bool sameStretch = ((read ^ me) & ~kFlags) == 0;
    cell.read = sameStretch ? read : me;
  } else {
    cell.read = read | kManyReaders;
  }
}

// Checks, without recording.
static void checkWrite(const Cell& cell, const void* address, size_t bytes, const void* code) {
  const uint32_t written = cell.write, read = cell.read;
  if (written == kOutside) launchNow->fail("writes out of bounds: " + placeText(address, bytes), code);
  if (written == kUnwritten) return;
  if (written & kInFlight)
    launchNow->fail("writes " + placeText(address, bytes) + ", where an asynchronous copy of " +
                        whoText(written) + " is in flight that was not waited for",
                    code);
  if (!isOrdered(written)) race("writes", address, bytes, "wrote", written, code);
  if (read == 0) return;
  if (!isOrdered(read)) race("writes", address, bytes, "read", read, code);
  const uint32_t me = current->warp->order.epochs[current->lane];
  if ((read & kManyReaders) && read >= watch.launchEpoch && ((read ^ me) & ~kFlags) == 0)
    launchNow->fail("race: writes " + placeText(address, bytes) +
                        ", which other threads read too with no synchronisation in between",
                    code);
}

void slowWrite(Cell& cell, const void* address, size_t bytes, const void* code) {
  checkWrite(cell, address, bytes, code);
  cell = {current->warp->order.epochs[current->lane], 0};
}

// A cell is two bytes. Threads that write one each do not race, so such writes are not followed further.
void writeHalf(Cell& cell, const void* address, const void* code) {
  if (cell.write == kOutside) launchNow->fail("writes out of bounds: " + placeText(address, 1), code);
  if (cell.write == kUnwritten) cell.write = kByHost;
}

void checkAccess(Access access, const void* address, size_t bytes, const void* code) {
  if (!current || !bytes) return;
  access == Access::read ? checkRead(address, bytes, code) : checkWritten(address, bytes, code);
}

void checkAtomic(const void* address, size_t bytes, const void* code) {
  if (!watch.on) return;
  if (!inRegion(address)) return elsewhere(address, bytes, code);
  const uint32_t me = current->warp->order.epochs[current->lane];
  Cell* cell = cellsOf(address);
  for (size_t i = 0; i < bytes / 2; ++i) {
    if (cell[i].write == kUnwritten)
      launchNow->fail("reads what nobody wrote: " + placeText(address, bytes), code);
    if (!(cell[i].write & kAtomic) || (cell[i].write & kInFlight)) checkWrite(cell[i], address, bytes, code);
    cell[i] = {me | kAtomic, 0};
  }
}

}  // namespace ibert::emulator
