// What models of matrix instructions ask first.
#pragma once

#include <cstdint>

#include "emulator/launch.h"

namespace ibert::emulator {

inline constexpr uint32_t kAllLanes = ~0u;

// What compilers fill variables with that nobody set (-ftrivial-auto-var-init=pattern of GCC).
inline constexpr uint32_t kNeverSet = 0xfefefefe;

inline void requireWholeWarp(const char* what) {
  if (current->warp->lanes != kAllLanes)
    launchNow->fail("calls ", what, " in a warp of fewer than 32 threads");
}

}  // namespace ibert::emulator
