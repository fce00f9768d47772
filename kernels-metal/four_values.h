// Four bf16 values at a time.
#pragma once

#include "operand.h"

inline float4 valuesOf(ushort4 bits) {
  return {valueOfBf16(bits.x), valueOfBf16(bits.y), valueOfBf16(bits.z), valueOfBf16(bits.w)};
}
// One by one where they start off the grid of eight bytes.
inline ushort4 loadFour(const device ushort* from, bool aligned) {
  if (aligned) return *(const device ushort4*)from;
  return {from[0], from[1], from[2], from[3]};
}
