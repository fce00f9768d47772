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

// Values i to i + 3 in f32 or bf16, whose i-th begins at a multiple of their size.
inline float4 fourValues(const device uint8_t* data, int32_t dtype, int64_t i) {
  if (dtype == kBf16) return valuesOf(*(const device ushort4*)((const device ushort*)data + i));
  return *(const device float4*)((const device float*)data + i);
}
inline void setFourValues(device uint8_t* data, int32_t dtype, int64_t i, float4 values) {
  if (dtype == kBf16) {
    const ushort4 bits = {bf16Of(values.x), bf16Of(values.y), bf16Of(values.z), bf16Of(values.w)};
    *(device ushort4*)((device ushort*)data + i) = bits;
  } else {
    *(device float4*)((device float*)data + i) = values;
  }
}
