// The copies from global to shared memory that a thread began and did not wait for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ibert::emulator {

struct AsyncCopy {
  char* to;
  const char* from;
  uint16_t bytes, given;  // of `bytes`, those that are copied; the rest is zero
  bool landed;
};

struct AsyncCopies {
  std::vector<AsyncCopy> copies;    // in the order of issue
  std::vector<uint32_t> groupEnds;  // of each committed group: how many copies stand before its end

  void clear() {
    copies.clear();
    groupEnds.clear();
  }
};

}  // namespace ibert::emulator
