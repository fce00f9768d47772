// The addresses by which instructions name shared memory.
#pragma once

#include "emulator/launch.h"
#include "emulator/memory.h"

namespace ibert::emulator {

inline constexpr uint32_t kSharedBase = 1024;

inline char* sharedPointer(uint32_t address, const char* what) {
  if (address < kSharedBase || address - kSharedBase >= kSharedSlotBytes)
    launchNow->fail(what, " at ", address, ", which is no address of shared memory (sharedAddress gives it)");
  return current->block->shared + (address - kSharedBase);
}

}  // namespace ibert::emulator
