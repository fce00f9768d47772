// cp.async: copies that land late.
#include <cstring>

#include "emulator/access.h"
#include "emulator/instructions.h"
#include "emulator/launch.h"
#include "emulator/shared_window.h"

namespace ibert::emulator {

namespace {

void land(AsyncCopy& copy) {
  if (copy.landed) return;
  std::memcpy(copy.to, copy.from, copy.given);
  std::memset(copy.to + copy.given, 0, size_t(copy.bytes - copy.given));
  copy.landed = true;
}

}  // namespace

uint32_t sharedAddress(const void* pointer) {
  const size_t offset = size_t(static_cast<const char*>(pointer) - current->block->shared);
  if (offset >= kSharedSlotBytes) launchNow->fail("takes the shared address of what is not shared memory");
  return kSharedBase + uint32_t(offset);
}

void copyAsync(uint32_t to, const void* from, unsigned bytes, unsigned given) {
  char* target = sharedPointer(to, "cp.async to shared memory");
  if (uintptr_t(target) % bytes || (given && uintptr_t(from) % bytes))
    launchNow->fail("cp.async of ", bytes, " bytes ", uintptr_t(target) % bytes ? "to" : "from",
                    " an address that is no multiple of that");
  if (given > bytes) launchNow->fail("cp.async of ", bytes, " bytes is given ", given);
  if (given && !inRegion(from)) launchNow->fail("cp.async from what is not global memory");
  const void* code = __builtin_return_address(0);
  if (Recorder* recorder = launchNow->recorder.get()) {
    ++recorder->report.asyncCopies;
    // A place in the code of its own for what it writes.
    recorder->access(Access::write, target, bytes, static_cast<const char*>(code) - 1);
  }
  if (given) checkAccess(Access::read, from, given, code);
  beginCopyInto(target, bytes, code);
  AsyncCopy copy{target, static_cast<const char*>(from), uint16_t(bytes), uint16_t(given), false};
  const Lateness lateness = launchNow->settings.lateness;
  if (lateness == Lateness::atOnce || (lateness == Lateness::random && launchNow->random.oneIn(4)))
    land(copy);
  else
    std::memset(target, 0xff, bytes);
  current->copies.copies.push_back(copy);
}

void commitCopies() {
  AsyncCopies& own = current->copies;
  own.groupEnds.push_back(uint32_t(own.copies.size()));
}

void waitForCopies(unsigned groupsLeft) {
  AsyncCopies& own = current->copies;
  if (own.groupEnds.size() <= groupsLeft) return;
  const size_t groups = own.groupEnds.size() - groupsLeft;
  const uint32_t end = own.groupEnds[groups - 1];
  for (uint32_t i = 0; i < end; ++i) {
    AsyncCopy& copy = own.copies[i];
    checkUncounted(copy.from, copy.given, nullptr);  // it was read until now
    land(copy);
    endCopyInto(copy.to, copy.bytes);
  }
  own.copies.erase(own.copies.begin(), own.copies.begin() + end);
  own.groupEnds.erase(own.groupEnds.begin(), own.groupEnds.begin() + ptrdiff_t(groups));
  for (uint32_t& groupEnd : own.groupEnds) groupEnd -= end;
}

void maybeLandCopy() {
  auto& copies = current->copies.copies;
  Launch& launch = *launchNow;
  if (copies.empty() || launch.settings.lateness != Lateness::random || !launch.random.oneIn(8)) return;
  land(copies[launch.random.below(unsigned(copies.size()))]);
}

}  // namespace ibert::emulator
