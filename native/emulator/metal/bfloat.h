// Metal's bfloat (3.1): the upper half of a float. Stricter than Metal's: it becomes one explicitly.
#pragma once

#include <cstdint>

class bfloat {
 public:
  bfloat() = default;
  // To nearest even; a NaN stays one.
  explicit bfloat(float value) {
    const auto all = __builtin_bit_cast(uint32_t, value);
    bits_ =
        uint16_t((all & 0x7fffffff) > 0x7f800000 ? all >> 16 | 0x40 : (all + 0x7fff + (all >> 16 & 1)) >> 16);
  }
  operator float() const { return __builtin_bit_cast(float, uint32_t(bits_) << 16); }

 private:
  uint16_t bits_;
};
