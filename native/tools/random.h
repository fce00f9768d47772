// Random numbers that are the same on every machine (SplitMix64: Steele, Lea & Flood 2014).
#pragma once

#include <cmath>
#include <cstdint>

namespace ibert::tools {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }
  // In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  // In [low, high).
  int64_t integer(int64_t low, int64_t high) { return low + static_cast<int64_t>(next() % (high - low)); }
  // Mean 0, variance 1 (Box & Muller 1958).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }

 private:
  uint64_t state_;
};

}  // namespace ibert::tools
