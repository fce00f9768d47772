// Blocks that wait for others of their grid: while one waits another runs, so that several are alive at once,
// as many as an H100 would hold (Settings::resident).
#include <algorithm>

#include "emulator/access.h"
#include "emulator/instructions.h"
#include "emulator/launch.h"

namespace ibert::emulator {

namespace {

void requireAligned(const unsigned* counter, const char* what, const void* code) {
  if (uintptr_t(counter) % 4) launchNow->failAt(code, what, " a counter at a misaligned address");
}

}  // namespace

unsigned signalBlocks(unsigned* counter, unsigned add) {
  const void* code = __builtin_return_address(0);
  requireAligned(counter, "signals", code);
  checkAtomic(counter, sizeof *counter, code);
  Flag& flag = launchNow->flags[counter];
  learn(flag.published);
  if (current->foreign)
    for (const auto& known : current->foreign->publications)
      if (std::find(flag.published.begin(), flag.published.end(), known) == flag.published.end())
        flag.published.push_back(known);
  if (auto own = publish()) flag.published.push_back(std::move(own));
  const unsigned old = *counter;
  *counter = old + add;
  const auto satisfied = std::partition(flag.waiting.begin(), flag.waiting.end(), [&](const Thread* thread) {
    return thread->waitsForValue > *counter;
  });
  std::for_each(satisfied, flag.waiting.end(), [](Thread* thread) { launchNow->wake(*thread); });
  flag.waiting.erase(satisfied, flag.waiting.end());
  return old;
}

void waitForBlocks(const unsigned* counter, unsigned atLeast) {
  const void* code = __builtin_return_address(0);
  requireAligned(counter, "waits for", code);
  for (;;) {
    checkAtomic(counter, sizeof *counter, code);
    Flag& flag = launchNow->flags[counter];
    if (*counter >= atLeast) return learn(flag.published);
    Thread* self = current;  // GCC's sanitizer takes the address of a thread_local for null
    flag.waiting.push_back(self);
    launchNow->wait("a counter of blocks to reach", atLeast);
  }
}

}  // namespace ibert::emulator
