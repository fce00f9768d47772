// The numbers that a schedule draws: the same seed gives the same run.
#pragma once

#include <cstdint>

namespace ibert::emulator {

class Random {
 public:
  explicit Random(uint64_t seed) : state_((seed + 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u | 1) {}

  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  // 0 … count - 1
  unsigned below(unsigned count) { return unsigned((next() >> 32) * count >> 32); }
  bool oneIn(unsigned count) { return below(count) == 0; }

 private:
  uint64_t state_;
};

}  // namespace ibert::emulator
